/** What chapters look at when the reader has not chosen. */

import { allHeads, type HeadId, metricOf, type Trace } from "../model/trace";
import type { Place } from "./place";
import type { Scene, Scenes } from "./scene";

/** The head that chapters look into: the reader's, or one whose rows look at several words. */
export function headOf({ head }: Place, { pair }: Scenes): HeadId {
  return head ?? readableHead(pair.trace);
}

/** The token that looks: the reader's, or the longest word of sentence B. */
export function queryOf({ query }: Place, { pair }: Scenes): number {
  if (query !== null) return query;
  const words = [...pair.tokens.keys()].filter((i) => !pair.tokens[i].special);
  const ofB = words.filter((i) => pair.tokens[i].segment === 1);
  const length = (i: number) => [...pair.tokens[i].piece].length;
  return (ofB.length ? ofB : words).reduce((best, i) => (length(i) > length(best) ? i : best));
}

/** A row is readable when about three tokens share most of its weight. */
const READABLE_NATS = Math.log(3);

/** Of heads that look at words rather than at special tokens, the one with the most readable rows. */
export function readableHead(trace: Trace): HeadId {
  const distance = (id: HeadId) =>
    metric(trace, id, "first") +
    metric(trace, id, "separators") +
    Math.abs(metric(trace, id, "entropy") - READABLE_NATS);
  return allHeads(trace.parts[0]).reduce((best, id) => (distance(id) < distance(best) ? id : best));
}

/** The value of a metric by its key; NaN where it does not apply. */
export function metric(trace: Trace, id: HeadId, key: string): number {
  return metricOf(trace, trace.metrics.findIndex((known) => known.key === key), id);
}

/** Words that two texts share, with their place in each; the longest first. */
export function sharedWords(first: Scene, second: Scene): { piece: string; places: [number, number] }[] {
  const words = first.tokens.flatMap(({ piece, special }, i) => {
    const other = second.tokens.findIndex((token) => !token.special && token.piece === piece);
    return special || other < 0 ? [] : [{ piece, places: [i, other] as [number, number] }];
  });
  const once = words.filter(({ piece }, i) => words.findIndex((word) => word.piece === piece) === i);
  return once.sort((a, b) => b.piece.length - a.piece.length);
}
