/** A head's weights, computed from its queries and keys where they were not stored. */

import type { Safetensors } from "./safetensors";
import type { HeadId, Mask, Rule, Trace } from "./trace";

/** The weights of one head, [queries, keys]: read from the file, or recomputed from queries and keys. */
export function patternOf(file: Safetensors, { blocks, rules, tokens }: Trace, { layer, head }: HeadId): Float32Array {
  const site = blocks[layer];
  const n = tokens.length;
  if (file.has(`${site}.pattern`)) {
    return file.f32(`${site}.pattern`).subarray(head * n * n, (head + 1) * n * n);
  }
  const rule = rules[layer];
  const size = n * file.shape(`${site}.q`)[2];
  const part = (name: string, index: number) =>
    file.f32(`${site}.${name}`).subarray(index * size, (index + 1) * size);
  return recompute(
    part("q", head),
    part("k", Math.floor((head * rule.key_heads) / rule.query_heads)),
    rule,
    tokens.map((token) => token.mask),
    rule.sink?.[head],
  );
}

/**
 * Softmax over the keys that the rule and the padding leave, [queries, keys]. A learned `sink` takes part and is
 * dropped. Scores stay in double precision: near 200, where some heads have them, a float is off by 8e-6.
 */
export function recompute(
  q: Float32Array,
  k: Float32Array,
  rule: Pick<Rule, "scale" | "mask" | "soft_cap">,
  padding: boolean[],
  sink = Number.NEGATIVE_INFINITY,
): Float32Array {
  const n = padding.length;
  const width = q.length / n;
  const weights = new Float32Array(n * n);
  const scores = new Float64Array(n);
  for (let query = 0; query < n; query++) {
    const [start, end] = visibleKeys(rule.mask, query, n);
    let most = sink;
    for (let key = start; key < end; key++) {
      scores[key] = padding[key] ? score(q, query * width, k, key * width, width, rule) : Number.NEGATIVE_INFINITY;
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

function score(
  q: Float32Array,
  qStart: number,
  k: Float32Array,
  kStart: number,
  width: number,
  { scale, soft_cap }: Pick<Rule, "scale" | "soft_cap">,
): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += q[qStart + i] * k[kStart + i];
  const scaled = sum * scale;
  return soft_cap === null ? scaled : soft_cap * Math.tanh(scaled / soft_cap);
}
