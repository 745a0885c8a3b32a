import { expect, test } from "vitest";
import type { Trace } from "../../src/model/trace";
import { mostDifferent, variation } from "../../src/parts/difference";

/** Two layers of two heads, with a share and a metric that has a unit. */
function trace(shares: number[], entropies: number[]): Trace {
  return {
    layers: 2,
    heads: 2,
    parts: [{ layers: [0, 1], heads: 2 }],
    metrics: [
      { key: "next", unit: "" },
      { key: "entropy", unit: "nats" },
    ],
    metricValues: Float32Array.of(...shares, ...entropies),
  } as unknown as Trace;
}

test("heads differ by their shares, not by metrics with a unit; what is undefined does not count", () => {
  const before = trace([0.1, 0.5, Number.NaN, 0.9], [0, 0, 0, 0]);
  const now = trace([0.2, 0.1, 0.3, 0.9], [9, 9, 9, 9]);
  const ids = mostDifferent(before, now, { layer: 0, head: 0 }).map(({ id, apart }) => [id.layer, id.head, apart.toFixed(2)]);
  expect(ids).toEqual([[0, 1, "0.40"], [0, 0, "0.10"], [1, 0, "0.00"], [1, 1, "0.00"]]);
});

test("rows are as far apart as the weight that would have to move", () => {
  const rows = Float32Array.of(1, 0, 0, 0.5, 0.5, 0);
  expect(variation(rows, rows, 3)).toBe(0);
  expect(variation(rows, Float32Array.of(0, 0, 1, 0.5, 0.5, 0), 3)).toBe(0.5);
  expect(variation(rows, Float32Array.of(0, 0, 1, 0, 0, 1), 3)).toBe(1);
});
