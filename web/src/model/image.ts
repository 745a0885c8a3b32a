/** An image as the model cuts it: patches in rows and columns, which are its tokens. */

import type { Safetensors } from "./safetensors";
import type { Slice } from "./measure";

export interface PatchImage {
  rows: number;
  columns: number;
  /** The token of the first patch; the others follow row by row. */
  first: number;
  height: number;
  width: number;
  /** Red, green and blue of each pixel. */
  rgb: Uint8Array;
}

/** The image that a trace carries, if it is one of an image. */
export function readImage(file: Safetensors): PatchImage | null {
  if (!file.metadata.image || !file.has("image")) return null;
  const { rows, columns, first } = JSON.parse(file.metadata.image);
  const [height, width] = file.shape("image");
  return { rows, columns, first, height, width, rgb: file.u8("image") };
}

/** The token of the patch at a place, both parts from 0 to 1; null outside. */
export function patchAt({ rows, columns, first }: PatchImage, x: number, y: number): number | null {
  if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
  return first + Math.floor(y * rows) * columns + Math.floor(x * columns);
}

/** Where a patch lies, in patches; null for tokens that are none. */
export function placeOf({ rows, columns, first }: PatchImage, token: number) {
  const patch = token - first;
  if (patch < 0 || patch >= rows * columns) return null;
  return { row: Math.floor(patch / columns), column: patch % columns };
}

/** What each token has to do with the active one: the mean, over heads, of the weights that join them. */
export function weightsOf({ query, key }: Slice, patterns: Float32Array[], n: number): Float32Array {
  const mean = new Float32Array(n);
  for (const pattern of patterns) {
    for (let other = 0; other < n; other++) {
      const weight = query !== null ? pattern[query * n + other] : pattern[other * n + key!];
      mean[other] += weight / patterns.length;
    }
  }
  return mean;
}

/** The places of the largest values, largest first. */
export function largest(values: Float32Array, from: number, count: number): number[] {
  const places = Array.from({ length: values.length - from }, (_, i) => from + i);
  return places.sort((a, b) => values[b] - values[a]).slice(0, count);
}
