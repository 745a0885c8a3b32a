/** Where the lesson's numbers come from: the app's server, or the page itself. */

import { ask, problemOf } from "../model/app";
import { unpack } from "../model/page";
import type { Source } from "./lesson";
import type { Sentences } from "./place";

export class AppSource implements Source {
  readonly editable = true;

  async run(texts: Sentences, signal: AbortSignal): Promise<Uint8Array> {
    try {
      const response = await ask("/api/lesson", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(texts),
        signal,
      });
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      throw signal.aborted ? error : problemOf(error);
    }
  }

  async piece(id: number): Promise<string | null> {
    return (await ask(`/api/piece?id=${id}`)).json();
  }
}

export class PageSource implements Source {
  readonly editable = false;

  constructor(
    private readonly payload: string,
    private readonly pieces: Record<string, string>,
  ) {}

  run(): Promise<Uint8Array> {
    return unpack(this.payload);
  }

  async piece(id: number): Promise<string | null> {
    return this.pieces[id] ?? null;
  }
}
