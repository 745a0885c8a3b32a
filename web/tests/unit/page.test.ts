import { expect, test } from "vitest";
import { fromPlanes } from "../../src/model/unpack";

test("numbers are put together from their planes, and what is around them stays", () => {
  const packed = Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 91, 92, 1, 5, 2, 6, 3, 7, 4, 8, 93);
  expect([...fromPlanes(packed)]).toEqual([91, 92, 1, 2, 3, 4, 5, 6, 7, 8, 93]);
  expect([...fromPlanes(Uint8Array.of(...new Array(16).fill(0), 7))]).toEqual([7]);
});
