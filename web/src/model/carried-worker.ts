/** Computes patterns beside the page, which goes on answering the pointer: see `aside.ts`. */

import { type Answer, Carried, type OfHead, type Rules } from "./carried";
import { kernel } from "./kernel";
import type { Packed } from "./unpack";

export type ToWorker = { rules: Rules; module: BufferSource } | { ask: OfHead } | { layer: number; packed: Packed };
export type FromWorker =
  | { needed: number }
  | { request: number; answer: Answer }
  | { request: number; error: string };

let carried: Carried;
const coming = new Map<number, (packed: Packed) => void>();
const say = (message: FromWorker, transfer: Transferable[] = []) => postMessage(message, { transfer });

addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if ("rules" in data) {
    carried = new Carried(
      data.rules,
      (layer) =>
        new Promise((resolve) => {
          coming.set(layer, resolve);
          say({ needed: layer });
        }),
      kernel(data.module),
    );
  } else if ("packed" in data) {
    coming.get(data.layer)?.(data.packed);
    coming.delete(data.layer);
  } else {
    const { request } = data.ask;
    carried.answer(data.ask).then(
      (answer) => say({ request, answer }, "pattern" in answer ? [answer.pattern.buffer as ArrayBuffer] : []),
      (error) => say({ request, error: error instanceof Error ? error.message : String(error) }),
    );
  }
});
