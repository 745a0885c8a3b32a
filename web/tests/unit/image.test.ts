import { describe, expect, test } from "vitest";
import { largest, patchAt, type PatchImage, placeOf, readImage, weightsOf } from "../../src/model/image";
import { Safetensors } from "../../src/model/safetensors";
import { randomPattern, safetensors } from "./tensors";

const image: PatchImage = { rows: 2, columns: 3, first: 2, height: 4, width: 6, rgb: new Uint8Array(72) };

describe("patches", () => {
  test.each([
    [0, 0, 2],
    [0.34, 0, 3],
    [0.99, 0.49, 4],
    [0, 0.5, 5],
    [0.999, 0.999, 7],
  ])("the place %f, %f is token %i", (x, y, token) => expect(patchAt(image, x, y)).toBe(token));

  test.each([
    [1, 0],
    [-0.01, 0.5],
    [0.5, 1],
    [Number.NaN, 0],
  ])("%f, %f is outside", (x, y) => expect(patchAt(image, x, y)).toBeNull());

  test("have places, and special tokens have none", () => {
    expect(placeOf(image, 1)).toBeNull();
    expect(placeOf(image, 8)).toBeNull();
    expect(placeOf(image, 2)).toEqual({ row: 0, column: 0 });
    expect(placeOf(image, 7)).toEqual({ row: 1, column: 2 });
  });
});

describe("weights", () => {
  const n = 8;
  const patterns = [randomPattern(n, 3), randomPattern(n, 4)];

  test("of a query are the mean of its rows, and add up to 1", () => {
    const found = weightsOf({ query: 5, key: null }, patterns, n);
    expect(found[3]).toBeCloseTo((patterns[0][5 * n + 3] + patterns[1][5 * n + 3]) / 2, 6);
    expect(found.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
  });

  test("of a key are the mean of its columns", () => {
    const found = weightsOf({ query: null, key: 2 }, patterns, n);
    expect(found[7]).toBeCloseTo((patterns[0][7 * n + 2] + patterns[1][7 * n + 2]) / 2, 6);
  });

  test("the largest are found behind the special tokens", () =>
    expect(largest(Float32Array.of(9, 8, 1, 3, 2), 2, 2)).toEqual([3, 4]));
});

describe("a file", () => {
  const tensor = { dtype: "U8" as const, shape: [1, 2, 3], values: [1, 2, 3, 4, 5, 6] };

  test("has its image and how it is cut", () => {
    const metadata = { image: '{"rows":1,"columns":2,"first":1}' };
    const read = readImage(Safetensors.read(safetensors(metadata, { image: tensor })));
    expect(read).toEqual({ rows: 1, columns: 2, first: 1, height: 1, width: 2, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6) });
  });

  test("of a text has none", () => {
    expect(readImage(Safetensors.read(safetensors({}, { x: tensor })))).toBeNull();
  });
});
