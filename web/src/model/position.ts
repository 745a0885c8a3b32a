/** What the distance of two tokens adds to their score. */

import type { ByDistance, Rule } from "./trace";

/** What a head's rule adds to a score for each distance, or null if that is not all there is to it. */
export function addedByDistance(
  { position }: Pick<Rule, "position">,
  head: number,
  queries: number,
  keys: number,
): Float32Array | null {
  const isByDistance = position && !("disentangled" in position);
  return isByDistance ? byDistance(position, head, queries, keys) : null;
}

/** What a head adds for each distance `key − query`, from `1 − queries` up to `keys − 1`. */
export function byDistance(position: ByDistance, head: number, queries: number, keys: number): Float32Array {
  return Float32Array.from({ length: queries + keys - 1 }, (_, i) => {
    const distance = i + 1 - queries;
    if ("alibi" in position) return position.alibi.slopes[head] * distance;
    return position.buckets.table[bucket(position.buckets, distance)][head];
  });
}

/**
 * Which number a distance has: near ones have one each, farther ones share (arXiv 1910.10683). The logarithm is
 * rounded to single precision, as in training: at a border that decides.
 */
export function bucket(
  { table, max_distance, two_sided }: { table: unknown[]; max_distance: number; two_sided: boolean },
  distance: number,
): number {
  if (!two_sided && distance > 0) return 0;
  const n = two_sided ? Math.floor(table.length / 2) : table.length;
  const first = two_sided && distance > 0 ? n : 0;
  const far = Math.abs(distance);
  const exact = Math.floor(n / 2);
  if (far < exact) return first + far;
  const { fround, log } = Math;
  const share = fround(fround(log(fround(far / exact))) / fround(log(max_distance / exact)));
  const shared = Math.trunc(fround(share * (n - exact)));
  return first + Math.min(exact + shared, n - 1);
}
