/** Has patterns computed by a worker, or by the page itself where there can be none. */

import { type Answer, Carried, type OfHead, type Rules } from "./carried";
import type { FromWorker, ToWorker } from "./carried-worker";
import CarriedWorker from "./carried-worker?worker&inline";
import { kernel } from "./kernel";
import { fromBase64, type Packed } from "./unpack";
import DATA_URL from "./attention.wasm?inline";

interface Waiting {
  content: OfHead;
  resolve: (answer: Answer | Promise<Answer>) => void;
  reject: (error: Error) => void;
}

/** What answers questions about the blocks that a page carries, without keeping the page from anything. */
export function aside(rules: Rules, packed: (layer: number) => Promise<Packed>): (content: OfHead) => Promise<Answer> {
  const module = fromBase64(DATA_URL.slice(DATA_URL.indexOf(",") + 1));
  let here: Carried | null = null;
  const answerHere = (content: OfHead) => (here ??= new Carried(rules, packed, kernel(module))).answer(content);
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  const tell = (message: ToWorker, transfer: Transferable[] = []) => worker?.postMessage(message, transfer);
  /** Where workers are forbidden, as in frames of some viewers, the page does what it was to have done. */
  const goOnHere = () => {
    worker?.terminate();
    worker = null;
    for (const { content, resolve } of waiting.values()) resolve(answerHere(content));
    waiting.clear();
  };
  try {
    worker = new CarriedWorker();
    worker.onerror = goOnHere;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ("needed" in data) {
        const send = (block: Packed) => tell({ layer: data.needed, packed: block }, [block.buffer]);
        return void packed(data.needed).then(send, () => send(new Uint8Array())); // damaged, and found to be so there
      }
      const asked = waiting.get(data.request);
      waiting.delete(data.request);
      if ("answer" in data) asked?.resolve(data.answer);
      else asked?.reject(new Error(data.error));
    };
    tell({ rules: { blocks: rules.blocks, rules: rules.rules, parts: rules.parts }, module });
  } catch {
    goOnHere();
  }
  return (content) => {
    if (!worker) return answerHere(content);
    tell({ ask: content });
    return new Promise((resolve, reject) => waiting.set(content.request, { content, resolve, reject }));
  };
}
