/** Weights with a byte each, on a square-root scale: what a page carries where no queries and keys tell them. */

import type { Safetensors } from "./safetensors";

/** The weights of one head, [queries, keys]; nothing where the file has them in all their digits. */
export function weightsOfRoots(file: Safetensors, site: string, head: number): Float32Array | null {
  const name = `${site}.pattern.roots`;
  if (!file.has(name)) return null;
  const [, queries, keys] = file.shape(name);
  const size = queries * keys;
  const bytes = file.u8(name).subarray(head * size, (head + 1) * size);
  return Float32Array.from(bytes, (byte) => SQUARES[byte]);
}

const SQUARES = Float32Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);
