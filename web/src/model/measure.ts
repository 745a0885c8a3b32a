/** Numbers about the weights on screen. */

import { isSelf, type Sides, type Token } from "./trace";

/** The kinds of edges; each edge is of the first kind that fits it, so that their shares add up. */
export const KINDS = [
  { key: "first", label: "first token" },
  { key: "separators", label: "separators" },
  { key: "itself", label: "itself" },
  { key: "next", label: "next" },
  { key: "previous", label: "previous" },
  { key: "same", label: "same sentence" },
  { key: "other", label: "other sentence" },
] as const;

/** The index in `KINDS` of what `other`, on the side of `from`, is to `token`, on that of what attends or is attended to. */
export function kindOf(sides: Sides, token: number, other: number, from: "query" | "key" = "query"): number {
  const others = from === "query" ? sides.keys : sides.queries;
  if (other === 0) return 0;
  if (others[other].special) return 1;
  if (!isSelf(sides)) return 6; // tokens of two texts have no distance
  if (other === token) return 2;
  if (other === token + 1) return 3;
  if (other === token - 1) return 4;
  return others[other].segment === others[token].segment ? 5 : 6;
}

/** The kinds that tell something of these sides, as places in `KINDS` with their names. */
export function kindsOf(sides: Sides): { index: number; key: string; label: string }[] {
  const kinds = KINDS.map((kind, index) => ({ ...kind, index }));
  if (!isSelf(sides)) {
    return [kinds[0], kinds[1], { ...kinds[6], label: "other tokens" }];
  }
  return isPair(sides) ? kinds : kinds.slice(0, 6);
}

/** A row or a column of a pattern, or with both left out the whole of it. */
export interface Slice {
  query: number | null;
  key: number | null;
}

/** The weight in a slice, by kind, as in `KINDS`: of what is attended to, or in a column of what attends. */
export function massByKind(pattern: Float32Array, sides: Sides, slice: Slice): number[] {
  const mass: number[] = KINDS.map(() => 0);
  const n = sides.keys.length;
  if (slice.query === null && slice.key !== null) {
    for (let q = 0; q < sides.queries.length; q++) {
      mass[kindOf(sides, slice.key, q, "key")] += pattern[q * n + slice.key];
    }
    return mass;
  }
  if (slice.query === null) return massOfWhole(pattern, sides);
  if (slice.key !== null) {
    mass[kindOf(sides, slice.query, slice.key)] += pattern[slice.query * n + slice.key];
    return mass;
  }
  addSums(mass, pattern.subarray(slice.query * n, (slice.query + 1) * n), sides, sentenceOf(sides, slice.query));
  partNeighbours(mass, pattern, sides, slice.query);
  return mass;
}

/** Columns are summed first: the sums of neighbouring keys need not wait for each other, 48 ms became 6 at 2,048. */
function massOfWhole(pattern: Float32Array, sides: Sides): number[] {
  const mass: number[] = KINDS.map(() => 0);
  const columns = [0, 1].map(() => new Float64Array(sides.keys.length)); // of what asks in sentence A, and elsewhere
  const count = sides.queries.length;
  for (let from = 0, end: number; from < count; from = end) {
    const sentence = sentenceOf(sides, from);
    for (end = from + 1; end < count && sentenceOf(sides, end) === sentence; ) end++;
    addRows(columns[sentence], pattern, from, end);
  }
  for (let query = 0; query < count; query++) partNeighbours(mass, pattern, sides, query);
  columns.forEach((sums, sentence) => addSums(mass, sums, sides, sentence));
  return mass;
}

/** Adds the rows from `from` to before `end` to the sums of the columns, four at a time: most of it is memory. */
function addRows(sums: Float64Array, pattern: Float32Array, from: number, end: number): void {
  const n = sums.length;
  let row = from;
  for (; row + 4 <= end; row += 4) {
    const [a, b, c, d] = [row * n, (row + 1) * n, (row + 2) * n, (row + 3) * n];
    for (let key = 0; key < n; key++) {
      sums[key] += pattern[a + key] + pattern[b + key] + pattern[c + key] + pattern[d + key];
    }
  }
  for (; row < end; row++) for (let key = 0; key < n; key++) sums[key] += pattern[row * n + key];
}

function sentenceOf({ queries }: Sides, query: number): number {
  return queries[query].segment === 0 ? 0 : 1;
}

/** Adds weights by what their keys are to queries of one sentence. */
function addSums(mass: number[], columns: Float32Array | Float64Array, sides: Sides, sentence: number): void {
  const classes = classesOf(sides.keys);
  const sums = [0, 0, 0, 0];
  for (let key = 0; key < columns.length; key++) sums[classes[key]] += columns[key];
  mass[0] += sums[0];
  mass[1] += sums[1];
  mass[5] += isSelf(sides) ? sums[2 + sentence] : 0;
  mass[6] += isSelf(sides) ? sums[3 - sentence] : sums[2] + sums[3];
}

/** Moves the weights of the keys beside a token, and of its own, from their sentence's to their kinds. */
function partNeighbours(mass: number[], pattern: Float32Array, sides: Sides, query: number): void {
  if (!isSelf(sides)) return;
  const n = sides.keys.length;
  const classes = classesOf(sides.keys);
  const own = 2 + sentenceOf(sides, query);
  for (let key = Math.max(0, query - 1); key <= Math.min(n - 1, query + 1); key++) {
    const kind = kindOf(sides, query, key);
    if (kind < 2 || kind > 4) continue;
    mass[kind] += pattern[query * n + key];
    mass[classes[key] === own ? 5 : 6] -= pattern[query * n + key];
  }
}

const classes = new WeakMap<Token[], Uint8Array>();

/** What keys are to any query: the first, special, of sentence A, of another. */
function classesOf(keys: Token[]): Uint8Array {
  let known = classes.get(keys);
  if (!known) {
    known = Uint8Array.from(keys, ({ special, segment }, i) =>
      i === 0 ? 0 : special ? 1 : segment === 0 ? 2 : 3,
    );
    classes.set(keys, known);
  }
  return known;
}

export interface Edge {
  query: number;
  key: number;
  /** Which of the given patterns. */
  of: number;
  weight: number;
}

/** Weights that share a peak. */
const PEAK = 64;
const peaks = new WeakMap<Float32Array, Float32Array>();

/** The largest of every `PEAK` weights: a pattern is searched several times, and most of it is small. */
function peaksOf(pattern: Float32Array): Float32Array {
  let known = peaks.get(pattern);
  if (!known) {
    known = new Float32Array(Math.ceil(pattern.length / PEAK));
    for (let i = 0; i < known.length; i++) known[i] = largestIn(pattern, i * PEAK, (i + 1) * PEAK);
    peaks.set(pattern, known);
  }
  return known;
}

function largestIn(pattern: Float32Array, from: number, end: number): number {
  let most = 0;
  for (let i = from, last = Math.min(end, pattern.length); i < last; i++) if (pattern[i] > most) most = pattern[i];
  return most;
}

/**
 * What finds the place from `from` to before `end` of the next weight of a pattern that is above `least`, or `end`.
 * All but the large weights are passed over 64 at a time: what is drawn of 2,048 tokens is found in 15 ms, not 80.
 */
export function finderIn(pattern: Float32Array): (from: number, end: number, least: number) => number {
  const highest = peaksOf(pattern);
  return (from, end, least) => {
    let at = from;
    while (at < end) {
      const next = Math.min(end, (at | (PEAK - 1)) + 1);
      if (highest[Math.floor(at / PEAK)] > least) {
        for (; at < next; at++) if (pattern[at] > least) return at;
      }
      at = next;
    }
    return end;
  };
}

/** The strongest edges of a slice over several patterns, strongest first. */
export function strongest(
  patterns: Float32Array[],
  sides: Sides,
  slice: Slice,
  limit: number,
  shows: (query: number, key: number) => boolean,
): Edge[] {
  const best: Edge[] = [];
  const n = sides.keys.length;
  const range = (index: number | null, count: number) => (index === null ? [0, count] : [index, index + 1]);
  const [firstQuery, endQuery] = range(slice.query, sides.queries.length);
  const [firstKey, endKey] = range(slice.key, n);
  let least = 0;
  patterns.forEach((pattern, of) => {
    const find = finderIn(pattern);
    for (let query = firstQuery; query < endQuery; query++) {
      const end = query * n + endKey;
      for (let at = query * n + firstKey; (at = find(at, end, least)) < end; at++) {
        const [key, weight] = [at - query * n, pattern[at]];
        if (!shows(query, key)) continue;
        let place = best.length;
        while (place > 0 && best[place - 1].weight < weight) place--;
        best.splice(place, 0, { query, key, of, weight });
        best.length = Math.min(best.length, limit);
        if (best.length === limit) least = best[limit - 1].weight;
      }
    }
  });
  return best;
}

/** The pattern among tokens that are not special, each row scaled to sum to 1 again. */
export function withoutSpecial(
  pattern: Float32Array,
  { queries, keys }: Sides,
): { weights: Float32Array; removed: number } {
  const n = keys.length;
  const weights = new Float32Array(pattern.length);
  let [kept, total] = [0, 0];
  for (let query = 0; query < queries.length; query++) {
    if (queries[query].special) continue;
    const row = pattern.subarray(query * n, (query + 1) * n);
    let sum = 0;
    row.forEach((weight, key) => {
      total += weight;
      if (!keys[key].special) sum += weight;
    });
    kept += sum;
    if (sum === 0) continue;
    row.forEach((weight, key) => {
      if (!keys[key].special) weights[query * n + key] = weight / sum;
    });
  }
  return { weights, removed: total === 0 ? 0 : 1 - kept / total };
}

/** Which sentences an edge may join. */
export const FLOWS = [
  { key: "all", label: "All", from: null, to: null },
  { key: "aa", label: "A→A", from: 0, to: 0 },
  { key: "ab", label: "A→B", from: 0, to: 1 },
  { key: "ba", label: "B→A", from: 1, to: 0 },
  { key: "bb", label: "B→B", from: 1, to: 1 },
] as const;

export type Flow = (typeof FLOWS)[number]["key"];

/** A test of whether an edge is in `flow`. */
export function inFlow(flow: Flow, { queries, keys }: Sides): (query: number, key: number) => boolean {
  const { from, to } = FLOWS.find((candidate) => candidate.key === flow)!;
  if (from === null) return () => true;
  return (query, key) => queries[query].segment === from && keys[key].segment === to;
}

/** Which edges are drawn: all, the strongest of each token that attends, or those of a weight at least. */
export const KEEPS = [
  { key: "all", label: "every edge", most: Number.POSITIVE_INFINITY, least: 0 },
  { key: "top1", label: "strongest of each token", most: 1, least: 0 },
  { key: "top3", label: "3 strongest of each token", most: 3, least: 0 },
  { key: "top5", label: "5 strongest of each token", most: 5, least: 0 },
  { key: "w02", label: "weights from 0.02", most: Number.POSITIVE_INFINITY, least: 0.02 },
  { key: "w10", label: "weights from 0.1", most: Number.POSITIVE_INFINITY, least: 0.1 },
  { key: "w30", label: "weights from 0.3", most: Number.POSITIVE_INFINITY, least: 0.3 },
] as const;

export type Keep = (typeof KEEPS)[number]["key"];

/** A copy of the weights in which what `keep` leaves out is 0, and the share of the shown weight that is left. */
export function keepStrongest(
  pattern: Float32Array,
  sides: Sides,
  keep: Keep,
  shows: (query: number, key: number) => boolean,
): { weights: Float32Array; share: number } {
  const { most, least } = KEEPS.find(({ key }) => key === keep)!;
  const n = sides.keys.length;
  const weights = new Float32Array(pattern.length);
  let [kept, total] = [0, 0];
  for (let query = 0; query < sides.queries.length; query++) {
    const best: number[] = [];
    for (let key = 0; key < n; key++) {
      const weight = pattern[query * n + key];
      if (weight === 0 || !shows(query, key)) continue;
      total += weight;
      if (weight < least) continue;
      if (most === Number.POSITIVE_INFINITY) {
        weights[query * n + key] = weight;
        kept += weight;
        continue;
      }
      if (best.length === most && weight <= pattern[query * n + best[most - 1]]) continue;
      let at = best.length;
      while (at > 0 && pattern[query * n + best[at - 1]] < weight) at--;
      best.splice(at, 0, key);
      best.length = Math.min(best.length, most);
    }
    for (const key of best) kept += weights[query * n + key] = pattern[query * n + key];
  }
  return { weights, share: total === 0 ? 0 : kept / total };
}

/** How much of the weight of the asking sentence an edge filter leaves, from 0 to 1. */
export function flowShare(pattern: Float32Array, flow: Flow, sides: Sides): number {
  const n = sides.keys.length;
  const shows = inFlow(flow, sides);
  const { from } = FLOWS.find((candidate) => candidate.key === flow)!;
  let [shown, total] = [0, 0];
  for (let query = 0; query < sides.queries.length; query++) {
    if (from !== null && sides.queries[query].segment !== from) continue;
    for (let key = 0; key < n; key++) {
      total += pattern[query * n + key];
      if (shows(query, key)) shown += pattern[query * n + key];
    }
  }
  return total === 0 ? 0 : shown / total;
}

/** Tenths of a percent that add up to 100.0, by largest remainder. */
export function percentages(parts: number[]): number[] {
  const total = parts.reduce((sum, part) => sum + part, 0);
  if (total === 0) return parts.map(() => 0);
  const exact = parts.map((part) => (part / total) * 1000);
  const floors = exact.map(Math.floor);
  const missing = 1000 - floors.reduce((sum, part) => sum + part, 0);
  const byRemainder = exact.map((_, i) => i).sort((a, b) => exact[b] - floors[b] - (exact[a] - floors[a]));
  for (const i of byRemainder.slice(0, missing)) floors[i] += 1;
  return floors.map((tenths) => tenths / 10);
}

/** Whether a text of two sentences attends to itself. */
export function isPair(sides: Sides): boolean {
  return isSelf(sides) && sides.keys.some((token) => token.segment === 1);
}
