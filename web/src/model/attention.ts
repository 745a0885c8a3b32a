/** A head's weights, computed from its queries and keys where they were not stored. */

import type { Safetensors } from "./safetensors";
import { addedByDistance } from "./position";
import { weightsOfRoots } from "./roots";
import { type HeadId, type Mask, partAt, type Rule, sharedHead, type Trace } from "./trace";

/** The weights of one head, [queries, keys]: read from the file, or recomputed from queries and keys. */
export function patternOf(file: Safetensors, trace: Trace, { layer, head }: HeadId): Float32Array {
  const site = trace.blocks[layer];
  const part = (name: string, index: number) => file.head(`${site}.${name}`, index);
  if (file.has(`${site}.pattern`)) return part("pattern", head);
  const weights = weightsOfRoots(file, site, head);
  if (weights) return weights;
  const rule = trace.rules[layer];
  const { queries, keys } = partAt(trace, layer);
  return recompute(
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
 * Softmax over the keys that the rule and the padding leave, [queries, keys]. Scores stay in double precision: near 200, where some heads have them, a float is off by 8e-6.
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
  const scores = new Float64Array(n);
  for (let query = 0; query < queries; query++) {
    const [start, end] = visibleKeys(rule.mask, query, n);
    let most = sink;
    dots(scores, q.subarray(query * width, (query + 1) * width), k, start, end);
    for (let key = start; key < end; key++) {
      scores[key] = padding[key] ? capped(scores[key] * rule.scale, rule.soft_cap) : Number.NEGATIVE_INFINITY;
      if (position) scores[key] += position[key + queries - 1 - query];
      most = Math.max(most, scores[key]);
    }
    if (most === Number.NEGATIVE_INFINITY) continue; // nothing is visible: all weights are 0
    let sum = Math.exp(sink - most);
    for (let key = start; key < end; key++) sum += scores[key] = Math.exp(scores[key] - most);
    for (let key = start; key < end; key++) weights[query * n + key] = scores[key] / sum;
  }
  return weights;
}

/** The keys from the first to the second number that a query may see. */
export function visibleKeys(mask: Mask, query: number, keys: number): [number, number] {
  if (mask === "full") return [0, keys];
  if (mask === "causal") return [0, Math.min(query + 1, keys)];
  if ("window" in mask) return [Math.max(0, query - mask.window), Math.min(query + mask.window + 1, keys)];
  return [Math.max(0, query + 1 - mask.causal_window), Math.min(query + 1, keys)];
}

/** q·k for the keys from `start` to `end`, four at a time: one sum would wait for itself at every step. */
function dots(out: Float64Array, q: Float32Array, k: Float32Array, start: number, end: number): void {
  const width = q.length;
  let key = start;
  for (; key + 4 <= end; key += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    const first = key * width;
    const [second, third, fourth] = [first + width, first + 2 * width, first + 3 * width];
    for (let i = 0; i < width; i++) {
      a += q[i] * k[first + i];
      b += q[i] * k[second + i];
      c += q[i] * k[third + i];
      d += q[i] * k[fourth + i];
    }
    out[key] = a;
    out[key + 1] = b;
    out[key + 2] = c;
    out[key + 3] = d;
  }
  for (; key < end; key++) {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += q[i] * k[key * width + i];
    out[key] = sum;
  }
}

/** A score under the soft cap, if there is one. */
export function capped(scaled: number, soft_cap: number | null): number {
  return soft_cap === null ? scaled : soft_cap * Math.tanh(scaled / soft_cap);
}
