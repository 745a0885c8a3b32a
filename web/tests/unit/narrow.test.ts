import { expect, test } from "vitest";
import { Safetensors } from "../../src/model/safetensors";
import { safetensors } from "./tensors";

/** A file of two heads of three rows and two columns, with a byte a number, and of one with all digits. */
const file = () =>
  Safetensors.read(
    safetensors({}, {
    "q.steps": { dtype: "F32", shape: [2, 3], values: [9, 9, 9, 0.5, 0.25, 1] },
    "q.dims": { dtype: "F32", shape: [2, 2], values: [9, 9, 2, 10] },
    "q.means": { dtype: "F32", shape: [2, 2], values: [9, 9, -1, 100] },
    k: { dtype: "F32", shape: [2, 1, 2], values: [1, 2, 3, 4] },
    "q.bytes": { dtype: "U8", shape: [2, 3, 2], values: [0, 0, 0, 0, 0, 0, 128, 1, 255, 129, 118, 138] },
    }),
  );

test("a byte a number is read with its row's step and its column's measure", () => {
  expect([...file().head("q", 1)]).toEqual([-1, 100 - 635, 62.5, 102.5, -21, 200]);
});

test("wide numbers are read as they are", () => {
  expect([...file().head("k", 1)]).toEqual([3, 4]);
});

test("both are there, and nothing else", () => {
  expect(["q", "k", "v"].map((name) => file().hasHeads(name))).toEqual([true, true, false]);
});
