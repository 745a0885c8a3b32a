/** A head's weights, computed from its queries and keys where they were not stored. */

import type { Safetensors } from "./safetensors";
import type { HeadId, Mask, Rule, Trace } from "./trace";

/** The weights of one head, [queries, keys]: read from the file, or recomputed from q, k and lse. */
export function patternOf(
  file: Safetensors,
  { blocks, rules, tokens }: Trace,
  { layer, head }: HeadId,
): Float32Array {
  const site = blocks[layer];
  const n = tokens.length;
  if (file.has(`${site}.pattern`)) {
    return file.f32(`${site}.pattern`).subarray(head * n * n, (head + 1) * n * n);
  }
  const rule = rules[layer];
  const width = file.shape(`${site}.q`)[2];
  const part = (name: string, index: number, size: number) =>
    file.f32(`${site}.${name}`).subarray(index * size, (index + 1) * size);
  const keyHead = Math.floor((head * rule.key_heads) / rule.query_heads);
  return recompute(
    part("q", head, n * width),
    part("k", keyHead, n * width),
    file.has(`${site}.lse`) ? part("lse", head, n) : null,
    rule,
    tokens.map((token) => token.mask),
    rule.sink?.[head] ?? Number.NEGATIVE_INFINITY,
  );
}

/**
 * exp(score − lse) for every key that the rule and the padding leave, [queries, keys]. Without `lse` the
 * log-sum-exp of each row is computed, the learned `sink` included.
 */
export function recompute(
  q: Float32Array,
  k: Float32Array,
  lse: Float32Array | null,
  rule: Pick<Rule, "scale" | "mask" | "soft_cap">,
  padding: boolean[],
  sink = Number.NEGATIVE_INFINITY,
): Float32Array {
  const n = padding.length;
  const width = q.length / n;
  const weights = new Float32Array(n * n);
  for (let query = 0; query < n; query++) {
    const row = weights.subarray(query * n, (query + 1) * n).fill(Number.NEGATIVE_INFINITY);
    const [start, end] = visibleKeys(rule.mask, query, n);
    for (let key = start; key < end; key++) {
      if (!padding[key]) continue;
      const score = rule.scale * dot(q, query * width, k, key * width, width);
      row[key] = rule.soft_cap === null ? score : rule.soft_cap * Math.tanh(score / rule.soft_cap);
    }
    const total = lse ? lse[query] : logSumExp(row, sink);
    for (let key = 0; key < n; key++) row[key] = Math.exp(row[key] - total);
  }
  return weights;
}

function logSumExp(scores: Float32Array, sink: number): number {
  const most = scores.reduce((max, score) => Math.max(max, score), sink);
  if (most === Number.NEGATIVE_INFINITY) return 0; // nothing is visible: all weights are 0
  return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), Math.exp(sink - most)));
}

/** The keys from the first to the second number that a query may see. */
export function visibleKeys(mask: Mask, query: number, keys: number): [number, number] {
  if (mask === "full") return [0, keys];
  if (mask === "causal") return [0, Math.min(query + 1, keys)];
  if ("window" in mask) return [Math.max(0, query - mask.window), Math.min(query + mask.window + 1, keys)];
  return [Math.max(0, query + 1 - mask.causal_window), Math.min(query + 1, keys)];
}

function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i] * b[bStart + i];
  return sum;
}
