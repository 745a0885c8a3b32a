import { expect, test } from "vitest";
import { vectorsOf } from "../../src/model/attention";
import type { Safetensors } from "../../src/model/safetensors";

/** A file of two heads of three rows and two columns. */
function file(): Safetensors {
  const tensors: Record<string, { shape: number[]; values: Float32Array | Uint8Array }> = {
    "q.bytes": { shape: [2, 3, 2], values: Uint8Array.of(0, 0, 0, 0, 0, 0, 128, 1, 255, 129, 118, 138) },
    "q.steps": { shape: [2, 3], values: Float32Array.of(9, 9, 9, 0.5, 0.25, 1) },
    "q.dims": { shape: [2, 2], values: Float32Array.of(9, 9, 2, 10) },
    "q.means": { shape: [2, 2], values: Float32Array.of(9, 9, -1, 100) },
    k: { shape: [2, 1, 2], values: Float32Array.of(1, 2, 3, 4) },
  };
  return {
    has: (name: string) => name in tensors,
    shape: (name: string) => tensors[name].shape,
    f32: (name: string) => tensors[name].values as Float32Array,
    u8: (name: string) => tensors[name].values as Uint8Array,
  } as unknown as Safetensors;
}

test("a byte a number is read with its row's step and its column's measure", () => {
  expect([...vectorsOf(file(), "q", 1)]).toEqual([-1, 100 - 635, 62.5, 102.5, -21, 200]);
});

test("wide numbers are read as they are", () => {
  expect([...vectorsOf(file(), "k", 1)]).toEqual([3, 4]);
});
