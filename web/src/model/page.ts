/** The host of the self-contained page: every answer comes from the data that the page carries. */

import { patternOf } from "./attention";
import { LocalHost, type Request, toProblem } from "./host";
import { Safetensors } from "./safetensors";
import { readTrace, type Trace } from "./trace";
import { vectorsOf } from "./vectors";

const DAMAGED = "The file is damaged or cut short: export it again.";
const TOO_OLD = "This browser cannot unpack the page's data: use one from 2023 or later.";

export class PageHost extends LocalHost {
  private file!: Safetensors;
  private trace!: Trace;

  constructor(values: Record<string, unknown>, payload: string) {
    super(values);
    this.begin(payload);
  }

  send(content: Request): void {
    if (content.kind === "run") return;
    if (content.kind === "vectors") {
      return this.replyVectors(content, vectorsOf(this.file, this.trace, content));
    }
    const weights = patternOf(this.file, this.trace, content);
    this.reply(content, new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength));
  }

  private async begin(payload: string) {
    try {
      const bytes = fromPlanes(await unpack(payload));
      this.file = Safetensors.read(bytes);
      this.trace = readTrace(this.file);
      this.set("overview", bytes);
    } catch (error) {
      const help = "DecompressionStream" in globalThis ? DAMAGED : TOO_OLD;
      this.reply({ kind: "error", request: 0, ...toProblem(error, help) });
    }
  }
}

/** The bytes behind base64 of gzip. */
export async function unpack(payload: string): Promise<Uint8Array> {
  const text = atob(payload.trim());
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Puts numbers together whose first, second, third and fourth bytes lie apart, from the first length to the second. */
export function fromPlanes(packed: Uint8Array): Uint8Array {
  const lengths = new DataView(packed.buffer, packed.byteOffset);
  const [start, end] = [0, 8].map((at) => Number(lengths.getBigUint64(at, true)));
  const bytes = packed.slice(16);
  const planes = packed.subarray(16 + start, 16 + end);
  const count = planes.length / 4;
  for (let i = 0, at = start; i < count; i++, at += 4) {
    bytes[at] = planes[i];
    bytes[at + 1] = planes[count + i];
    bytes[at + 2] = planes[2 * count + i];
    bytes[at + 3] = planes[3 * count + i];
  }
  return bytes;
}
