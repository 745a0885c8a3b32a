/** Has patterns computed by a worker, or by the page itself where there can be none. */

import { type Answer, Carried, type OfHead, type Rules } from "./carried";
import type { FromWorker, ToWorker } from "./carried-worker";
import CarriedWorker from "./carried-worker?worker&inline";

interface Waiting {
  content: OfHead;
  resolve: (answer: Answer | Promise<Answer>) => void;
  reject: (error: Error) => void;
}

/** What answers questions about the blocks that a page carries, without keeping the page from anything. */
export function aside(rules: Rules, packed: (layer: number) => Promise<string>): (content: OfHead) => Promise<Answer> {
  const here = new Carried(rules, packed);
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  const tell = (message: ToWorker) => worker?.postMessage(message);
  /** Where workers are forbidden, as in frames of some viewers, the page does what it was to have done. */
  const goOnHere = () => {
    worker?.terminate();
    worker = null;
    for (const { content, resolve } of waiting.values()) resolve(here.answer(content));
    waiting.clear();
  };
  try {
    worker = new CarriedWorker();
    worker.onerror = goOnHere;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ("needed" in data) {
        return void packed(data.needed).then((block) => tell({ layer: data.needed, packed: block }));
      }
      const asked = waiting.get(data.request);
      waiting.delete(data.request);
      if ("answer" in data) asked?.resolve(data.answer);
      else asked?.reject(new Error(data.error));
    };
    tell({ rules: { blocks: rules.blocks, rules: rules.rules, parts: rules.parts } });
  } catch {
    goOnHere();
  }
  return (content) => {
    if (!worker) return here.answer(content);
    tell({ ask: content });
    return new Promise((resolve, reject) => waiting.set(content.request, { content, resolve, reject }));
  };
}
