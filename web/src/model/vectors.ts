/** What a head's scores are made of: queries and keys, and what positions make of them. */

import { Safetensors } from "./safetensors";
import type { Rules } from "./carried";
import { type HeadId, type Rule, sharedHead } from "./trace";

export const VECTORS = ["q", "k", "q_pre", "k_pre", "pos_q", "pos_k"] as const;
export type VectorName = (typeof VECTORS)[number];

/**
 * Of one head, [tokens, d_head], as far as they were recorded. `q_pre` and `k_pre` are `q` and `k` before rotation;
 * `pos_k` is what the query meets for each distance `key − query`, from `1 − queries` up to `keys − 1`, and `pos_q`
 * what the key meets.
 */
export type Vectors = Partial<Record<VectorName, Float32Array>>;

/** The vectors of one head in a file that has those of all. */
export function vectorsOf(file: Safetensors, trace: Rules, { layer, head }: HeadId): Vectors {
  const rule = trace.rules[layer];
  const vectors: Vectors = {};
  for (const name of VECTORS) {
    const site = `${trace.blocks[layer]}.${name}`;
    if (!file.hasHeads(site)) continue;
    const [heads] = file.headsShape(site);
    vectors[name] = file.head(site, sharedHead(rule, head, heads));
  }
  return vectors;
}

/** The vectors in a file that has those of one head. */
export function readVectors(bytes: Uint8Array): Vectors {
  const file = Safetensors.read(bytes);
  return Object.fromEntries(VECTORS.filter((name) => file.has(name)).map((name) => [name, file.f32(name)]));
}

/** What the scores of a rule cannot be told without. */
export function neededBy({ position }: Pick<Rule, "position">): VectorName[] {
  if (!position || !("disentangled" in position)) return ["q", "k"];
  const { queries_meet, keys_meet } = position.disentangled;
  return ["q", "k", ...(keys_meet ? (["pos_q"] as const) : []), ...(queries_meet ? (["pos_k"] as const) : [])];
}
