/** Where the lesson's numbers come from: the app's server, or the page itself. */

import { ask, problemOf } from "../model/app";
import { partOfPage } from "../model/page";
import { unpack } from "../model/unpack";
import type { Source } from "./lesson";
import type { Sentences } from "./place";

export class AppSource implements Source {
  readonly editable = true;

  async run(texts: Sentences, signal: AbortSignal): Promise<Record<string, Uint8Array>> {
    try {
      const response = await ask("/api/lesson", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(texts),
        signal,
      });
      return unbundle(new Uint8Array(await response.arrayBuffer()));
    } catch (error) {
      throw signal.aborted ? error : problemOf(error);
    }
  }

  async piece(id: number): Promise<string | null> {
    return (await ask(`/api/piece?id=${id}`)).json();
  }
}

/** Containers one after another, behind the length of a JSON object that says where each is. */
export function unbundle(bytes: Uint8Array): Record<string, Uint8Array> {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const body = bytes.subarray(8 + length);
  const places: Record<string, [number, number]> = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return Object.fromEntries(Object.entries(places).map(([name, place]) => [name, body.slice(...place)]));
}

export class PageSource implements Source {
  readonly editable = false;

  constructor(
    /** What the parts of the page are, in order. */
    private readonly scenes: string[],
    private readonly pieces: Record<string, string>,
  ) {}

  async run(): Promise<Record<string, Uint8Array>> {
    const parts = this.scenes.map(async (name, i) => [name, await unpack(await partOfPage(i))]);
    return Object.fromEntries(await Promise.all(parts));
  }

  async piece(id: number): Promise<string | null> {
    return this.pieces[id] ?? null;
  }
}
