import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recompute } from "../../src/model/attention";
import { kernel } from "../../src/model/kernel";
import type { Mask, Rule } from "../../src/model/trace";
import { noise } from "./tensors";

const module = readFileSync(join(import.meta.dirname, "../../src/model/attention.wasm"));
const compute = await kernel(module);

interface Size {
  queries: number;
  keys: number;
  width: number;
}

const SIZES: Size[] = [
  { queries: 1, keys: 1, width: 1 },
  { queries: 5, keys: 3, width: 3 },
  { queries: 3, keys: 18, width: 64 },
  { queries: 35, keys: 35, width: 80 },
  { queries: 50, keys: 21, width: 2 }, // the last see nothing through a window
];

const MASKS: Mask[] = ["full", "causal", { window: 2 }, { window: 20 }, { causal_window: 1 }, { causal_window: 19 }];

type Softened = Pick<Rule, "soft_cap"> & { scale?: number; sink?: number };

const RULES: Softened[] = [{ soft_cap: null }, { soft_cap: 0.7 }, { soft_cap: null, sink: 0.3 }, { soft_cap: null, scale: 300 }];

/** How far the weights of both are apart, for texts with and without padding and with and without positions. */
function apart({ queries, keys, width }: Size, mask: Mask, { soft_cap, scale = 1, sink }: Softened): number {
  const [q, k] = [noise(queries * width, 3), noise(keys * width, 5)];
  const rule = { scale: scale / Math.sqrt(width), mask, soft_cap };
  const paddings = [keys, keys - 1, 0].map((open) => Array.from({ length: keys }, (_, key) => key < open));
  const positions = [undefined, noise(queries + keys - 1, 7)];
  const cases = paddings.flatMap((padding) => positions.map((position) => ({ padding, position })));
  return Math.max(
    ...cases.flatMap(({ padding, position }) => {
      const [expected, found] = [recompute, compute].map((of) => of(q, k, rule, padding, { sink, position }));
      expect(found).toHaveLength(expected.length);
      return [...expected].map((weight, i) => Math.abs(weight - found[i]));
    }),
  );
}

test("is not the loop that stands in for it", () => expect(compute).not.toBe(recompute));

test.each(SIZES)("weights of $queries queries and $keys keys of width $width are the plain loop's", (size) => {
  for (const mask of MASKS) for (const rule of RULES) expect(apart(size, mask, rule)).toBeLessThan(1e-7);
});

test("scores in the hundreds keep their small differences", () => {
  const [q, k] = [new Float32Array([1, 1, 1, 1]), new Float32Array([200, 0.001, 200, 0.002])];
  const [weight] = compute(q, k, { scale: 1, mask: "full", soft_cap: null }, [true, true]);
  expect(weight).toBeCloseTo(1 / (1 + Math.exp(0.001)), 7);
});

test("a head after a larger one is none the worse for what that left in memory", () => {
  const [large, small] = [SIZES[3], SIZES[1]];
  apart(large, "full", RULES[0]);
  expect(apart(small, "full", RULES[0])).toBeLessThan(1e-7);
});

test("where WebAssembly is refused the loop stands in", async () => {
  expect(await kernel(new Uint8Array(8))).toBe(recompute);
});
