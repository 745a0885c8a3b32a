/** How a weight comes about: every step from a query and a key to their weight, as numbers and as they are printed. */

import { capped, visibleKeys } from "./attention";
import { addedByDistance, bucket } from "./position";
import type { Mask, Rule, Token } from "./trace";
import type { Vectors } from "./vectors";

/** One head with all that its scores are made of. */
export interface Neuron {
  rule: Rule;
  head: number;
  queries: Token[];
  keys: Token[];
  vectors: Vectors & { q: Float32Array; k: Float32Array };
  /** How many dimensions the head has. */
  width: number;
  /** What each distance adds to a score, where the rule says so. */
  added: Float32Array | null;
}

export function neuronOf(
  rule: Rule,
  head: number,
  { queries, keys }: { queries: Token[]; keys: Token[] },
  vectors: Neuron["vectors"],
): Neuron {
  const added = addedByDistance(rule, head, queries.length, keys.length);
  return { rule, head, queries, keys, vectors, width: vectors.k.length / keys.length, added };
}

/** What a score is made of, in the order in which it comes about. */
export interface Terms {
  dot: number;
  /** The product before rotation. */
  before: number | null;
  /** The query meets the vector of the distance, and the key does. */
  met: { query: number | null; key: number | null };
  scaled: number;
  capped: number;
  added: number;
  score: number;
}

export function termsOf(neuron: Neuron, query: number, key: number): Terms {
  const { rule, vectors, width, added } = neuron;
  const { q, k, q_pre, k_pre, pos_q, pos_k } = vectors;
  const at = key + neuron.queries.length - 1 - query;
  const dot = product(q, query, k, key, width);
  const met = {
    query: pos_k ? product(q, query, pos_k, at, width) : null,
    key: pos_q ? product(k, key, pos_q, at, width) : null,
  };
  const scaled = (dot + (met.query ?? 0) + (met.key ?? 0)) * rule.scale;
  const underCap = capped(scaled, rule.soft_cap);
  return {
    dot,
    before: q_pre && k_pre ? product(q_pre, query, k_pre, key, width) : null,
    met,
    scaled,
    capped: underCap,
    added: added?.[at] ?? 0,
    score: underCap + (added?.[at] ?? 0),
  };
}

/** In double precision: scores in the hundreds decide by their small differences. */
function product(a: Float32Array, row: number, b: Float32Array, column: number, width: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += a[row * width + i] * b[column * width + i];
  return sum;
}

/** Why a query may not see a key, or null if it may. */
export function hiddenBy(mask: Mask, query: number, key: number, keys: Token[]): string | null {
  const [start, end] = visibleKeys(mask, query, keys.length);
  if (key >= end && (mask === "causal" || (mask !== "full" && "causal_window" in mask))) {
    return "the key comes after the query";
  }
  if (key < start || key >= end) return "the key lies outside the window";
  return keys[key].mask ? null : "the key is padding";
}

/** What a softmax sees of one query. */
export interface Row {
  /** −∞ where masked. */
  scores: Float64Array;
  sink: number | null;
  /** The largest of all, and the key that has it; null if that is the sink. */
  most: number;
  mostKey: number | null;
  /** Σ exp(score − most), the sink among them. */
  sum: number;
  /** How many keys are visible. */
  visible: number;
}

export function rowOf(neuron: Neuron, query: number): Row {
  const { rule, keys } = neuron;
  const scores = Float64Array.from(keys, (_, key) =>
    hiddenBy(rule.mask, query, key, keys) ? Number.NEGATIVE_INFINITY : termsOf(neuron, query, key).score,
  );
  const sink = rule.sink?.[neuron.head] ?? null;
  let [most, mostKey]: [number, number | null] = [sink ?? Number.NEGATIVE_INFINITY, null];
  scores.forEach((score, key) => {
    if (score > most) [most, mostKey] = [score, key];
  });
  let sum = sink === null ? 0 : Math.exp(sink - most);
  for (const score of scores) sum += Math.exp(score - most);
  const visible = scores.reduce((count, score) => count + (score === Number.NEGATIVE_INFINITY ? 0 : 1), 0);
  return { scores, sink, most, mostKey, sum, visible };
}

// ---- as printed ---------------------------------------------------------------------------

/** One line of the sum. */
export interface Line {
  key: string;
  label: string;
  /** How its number was made. */
  how: string;
  /** A number as printed, or a word. */
  value: string;
  /** It ends a part of the sum. */
  total?: boolean;
}

const DIGITS = [5, 6, 7, 8, 9];
const SIGNIFICANT = [4, 3, 2];

/**
 * The sum behind the weight of `key`, line by line. Each line is computed from those above it *as they are printed*,
 * and so many digits are printed that the last line gives `weight`, which is the one that every view shows.
 */
export function linesOf(neuron: Neuron, query: number, key: number, row: Row, weight: number): Line[] {
  const terms = termsOf(neuron, query, key);
  for (const significant of SIGNIFICANT) {
    for (const digits of DIGITS) {
      const { lines, found } = write(neuron, query, key, terms, row, digits);
      const last = { ...lines[lines.length - 1], value: printWeight(weight, significant) };
      if (printWeight(found, significant) === last.value) return [...lines.slice(0, -1), last];
    }
  }
  const { lines, found } = write(neuron, query, key, terms, row, 9);
  const last = lines[lines.length - 1];
  const how = `${last.how} = ${printWeight(found, 4)}, recorded as`;
  return [...lines.slice(0, -1), { ...last, how, value: printWeight(weight, 4) }];
}

function write(neuron: Neuron, query: number, key: number, terms: Terms, row: Row, digits: number) {
  const { rule, keys, width } = neuron;
  const lines: Line[] = [];
  const round = (value: number) => Number(value.toFixed(digits));
  /** Writes a number, and returns it as written. */
  const add = (name: string, label: string, how: string, value: number, total = false): number => {
    lines.push({ key: name, label, how, value: print(value, digits), total });
    return round(value);
  };

  const dot = round(terms.dot);
  if (terms.before !== null) {
    const before = add("before", "q · k before rotation", "content alone", terms.before);
    add("rotation", "+ by rotation", "what positions change", dot - before);
  }
  let score = add("dot", "q · k", `sum of ${width} products`, terms.dot, terms.before !== null);
  if (terms.met.query !== null) {
    score += add("met-query", "+ content → position", `q · vector of distance ${signed(key - query)}`, terms.met.query);
  }
  if (terms.met.key !== null) {
    score += add("met-key", "+ position → content", `k · vector of distance ${signed(key - query)}`, terms.met.key);
  }
  const scale = Number(rule.scale.toPrecision(9));
  lines.push({ key: "scale", label: "× scale", how: nameOfScale(rule.scale), value: String(scale) });
  score = round(score) * scale;
  if (rule.soft_cap !== null || neuron.added) score = add("scaled", "= scaled", "", score);
  if (rule.soft_cap !== null) {
    const cap = rule.soft_cap;
    score = add("capped", "soft cap", `${cap} · tanh(scaled / ${cap})`, capped(score, cap));
  }
  if (neuron.added) {
    const how = howAdded(neuron, key - query);
    score += add("position", "+ position", how, neuron.added[key + neuron.queries.length - 1 - query]);
  }
  score = add("score", "= score s", "what the softmax sees", score, true);

  const reason = hiddenBy(rule.mask, query, key, keys);
  lines.push({ key: "mask", label: "mask", how: reason ?? nameOfMask(rule.mask), value: reason ? "hidden" : "visible" });
  if (reason) {
    lines.push({ key: "weight", label: "weight", how: "what is hidden has none", value: "0", total: true });
    return { lines, found: 0 };
  }
  if (row.sink !== null) add("sink", "learned sink", "joins the row, then is dropped", row.sink);
  // The line above and this one are one number where this key has the largest score.
  const most = add("most", "largest of the row", "max", row.mostKey === key ? score : row.most);
  const among = `over ${row.visible} ${row.visible === 1 ? "key" : "keys"}${row.sink === null ? "" : " and the sink"}`;
  const sum = add("sum", "Σ exp(s − max)", among, row.sum);
  const lse = add("lse", "log-sum-exp", "max + ln Σ", most + Math.log(sum));
  const found = Math.exp(score - lse);
  lines.push({ key: "weight", label: "weight", how: "exp(s − log-sum-exp)", value: "", total: true });
  return { lines, found };
}

/** With a true minus sign; nothing is printed as minus zero. */
export function print(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** Smaller weights than this are 0 in single precision. */
const LEAST = 1e-37;

export function printWeight(weight: number, significant = 4): string {
  if (weight < LEAST) return "0";
  return weight < 1e-4 ? weight.toExponential(significant - 1) : weight.toPrecision(significant);
}

function nameOfScale(scale: number): string {
  if (scale === 1) return "none";
  const square = Math.round(1 / (scale * scale));
  const isRoot = Math.abs(scale * Math.sqrt(square) - 1) < 1e-6;
  return isRoot ? `1 / √${square}` : "of the model";
}

function nameOfMask(mask: Mask): string {
  if (mask === "full") return "every key but padding";
  if (mask === "causal") return "keys up to the query";
  if ("window" in mask) return `keys at most ${mask.window} away`;
  return `the last ${mask.causal_window} keys up to the query`;
}

function signed(distance: number): string {
  return distance > 0 ? `+${distance}` : String(distance).replace("-", "−");
}

function howAdded({ rule: { position }, head }: Neuron, distance: number): string {
  if (!position || "disentangled" in position) return "";
  if ("alibi" in position) {
    const slope = Number(position.alibi.slopes[head].toPrecision(9));
    return `slope ${String(slope).replace("-", "−")} × distance ${signed(distance)}`;
  }
  const { buckets } = position;
  return `bucket ${bucket(buckets, distance)} of ${buckets.table.length}, distance ${signed(distance)}`;
}
