/** A head's weights, computed from its queries and keys where they were not stored. */

import type { Rules } from "./carried";
import { addedByDistance } from "./position";
import { weightsOfRoots } from "./roots";
import type { Safetensors } from "./safetensors";
import { type HeadId, type Mask, partAt, type Rule, sharedHead } from "./trace";

/** The weights of one head, [queries, keys]: read from the file, or recomputed from queries and keys. */
export function patternOf(
  file: Safetensors,
  trace: Rules,
  { layer, head }: HeadId,
  compute = recompute,
): Float32Array {
  const site = trace.blocks[layer];
  const part = (name: string, index: number) => file.head(`${site}.${name}`, index);
  if (file.has(`${site}.pattern`)) return part("pattern", head);
  const weights = weightsOfRoots(file, site, head);
  if (weights) return weights;
  const rule = trace.rules[layer];
  const { queries, keys } = partAt(trace, layer);
  return compute(
    part("q", head),
    part("k", sharedHead(rule, head, rule.key_heads)),
    rule,
    keys.map((token) => token.mask),
    {
      sink: rule.sink?.[head],
      // What queries and keys meet comes as patterns.
      position: addedByDistance(rule, head, queries.length, keys.length),
    },
  );
}

/** What a head has of its own, besides queries and keys. */
interface OfHead {
  /** Takes part in the softmax, and is dropped. */
  sink?: number;
  /** What is added to a score for each distance, as `byDistance` has it. */
  position?: Float32Array | null;
}

/**
 * Softmax over the keys that the rule and the padding leave, [queries, keys]. Scores are in double precision: near
 * 200, where some heads have them, a float is off by 8e-6.
 */
export function recompute(
  q: Float32Array,
  k: Float32Array,
  rule: Pick<Rule, "scale" | "mask" | "soft_cap">,
  padding: boolean[],
  { sink = Number.NEGATIVE_INFINITY, position }: OfHead = {},
): Float32Array {
  const n = padding.length;
  const width = k.length / n;
  const queries = q.length / width;
  const weights = new Float32Array(queries * n);
  const padded = Math.ceil(width / AT_ONCE) * AT_ONCE; // with zeros
  const dimensions = turned(k, width, padded);
  const wide = new Float64Array(queries * padded);
  for (let query = 0; query < queries; query++) {
    wide.set(q.subarray(query * width, (query + 1) * width), query * padded);
  }
  const scores = new Float64Array(n);
  for (let query = 0; query < queries; query++) {
    const [start, end] = visibleKeys(rule.mask, query, n);
    let most = sink;
    dots(scores, wide, query * padded, padded, dimensions, start, end);
    for (let key = start; key < end; key++) {
      let score = padding[key] ? capped(scores[key] * rule.scale, rule.soft_cap) : Number.NEGATIVE_INFINITY;
      if (position) score += position[key + queries - 1 - query];
      scores[key] = score;
      if (score > most) most = score;
    }
    if (most === Number.NEGATIVE_INFINITY) continue; // nothing is visible: all weights are 0
    let sum = power(sink - most);
    for (let key = start; key < end; key++) sum += scores[key] = power(scores[key] - most);
    for (let key = start; key < end; key++) weights[query * n + key] = scores[key] / sum;
  }
  return weights;
}

/** 2^(i/32), and powers of 2 from −224 on. */
const ROOTS = Float64Array.from({ length: 32 }, (_, i) => 2 ** (i / 32));
const POWERS = Float64Array.from({ length: 225 }, (_, i) => 2 ** (i - 224));

/**
 * e^x of an x that is not above 0, to 12 digits: 4 million of them take `Math.exp` 40 ms. What is under e^−150 is 0, as
 * it is in the single precision of weights.
 */
export function power(x: number): number {
  if (x < -150) return 0;
  const steps = (x * (32 / Math.LN2) - 0.5) | 0;
  const rest = x - steps * (Math.LN2 / 32);
  const series = 1 + rest * (1 + rest * (0.5 + rest * (1 / 6 + rest * (1 / 24))));
  return series * ROOTS[steps & 31] * POWERS[(steps >> 5) + 224];
}

/** The keys from the first to the second number that a query may see. */
export function visibleKeys(mask: Mask, query: number, keys: number): [number, number] {
  if (mask === "full") return [0, keys];
  if (mask === "causal") return [0, Math.min(query + 1, keys)];
  if ("window" in mask) return [Math.max(0, query - mask.window), Math.min(query + mask.window + 1, keys)];
  return [Math.max(0, query + 1 - mask.causal_window), Math.min(query + 1, keys)];
}

/** Dimensions that are gone through at once. */
const AT_ONCE = 4;

/** Keys with a row for each dimension instead of each key. */
function turned(k: Float32Array, width: number, padded: number): Float64Array {
  const n = k.length / width;
  const rows = new Float64Array(padded * n);
  for (let key = 0; key < n; key++) {
    for (let i = 0; i < width; i++) rows[i * n + key] = k[key * width + i];
  }
  return rows;
}

/**
 * The product of the query at `at` with the keys from `start` to `end`. Keys follow each other in the inner loop, so that
 * no sum waits for itself: the products of 2,048 tokens take half as long as key by key.
 */
function dots(
  out: Float64Array,
  q: Float64Array,
  at: number,
  width: number,
  dimensions: Float64Array,
  start: number,
  end: number,
): void {
  const n = out.length;
  out.fill(0, start, end);
  for (let i = 0; i < width; i += AT_ONCE) {
    const a = q[at + i];
    const b = q[at + i + 1];
    const c = q[at + i + 2];
    const d = q[at + i + 3];
    const first = i * n;
    const second = first + n;
    const third = second + n;
    const fourth = third + n;
    for (let key = start; key < end; key++) {
      out[key] +=
        a * dimensions[first + key] +
        b * dimensions[second + key] +
        c * dimensions[third + key] +
        d * dimensions[fourth + key];
    }
  }
}

/** A score under the soft cap, if there is one. */
export function capped(scaled: number, soft_cap: number | null): number {
  return soft_cap === null ? scaled : soft_cap * Math.tanh(scaled / soft_cap);
}
