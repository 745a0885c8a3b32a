import { describe, expect, test } from "vitest";
import { patternOf, recompute, visibleKeys } from "../../src/model/attention";
import { Safetensors } from "../../src/model/safetensors";
import type { Mask } from "../../src/model/trace";
import { noise, pair, safetensors, trace } from "./tensors";

const [N, WIDTH] = [9, 4];

interface Case {
  name: string;
  mask: Mask;
  soft_cap: number | null;
  padding?: number[];
  sink?: number;
}

/** Softmax as the textbook has it, in double precision. */
function softmax(q: Float32Array, k: Float32Array, { mask, soft_cap, padding = [], sink }: Case) {
  const rows: number[][] = [];
  for (let query = 0; query < N; query++) {
    const [start, end] = visibleKeys(mask, query, N);
    const scores = Array.from({ length: N }, (_, key) => {
      if (key < start || key >= end || padding.includes(key)) return Number.NEGATIVE_INFINITY;
      let score = 0;
      for (let i = 0; i < WIDTH; i++) score += q[query * WIDTH + i] * k[key * WIDTH + i];
      score *= 0.5;
      return soft_cap === null ? score : soft_cap * Math.tanh(score / soft_cap);
    });
    const sum = scores.reduce(
      (total, score) => total + Math.exp(score),
      sink === undefined ? 0 : Math.exp(sink),
    );
    rows.push(scores.map((score) => Math.exp(score) / sum));
  }
  return rows.flat();
}

describe("recompute", () => {
  test.each<Case>([
    { name: "full", mask: "full", soft_cap: null },
    { name: "causal", mask: "causal", soft_cap: null },
    { name: "window", mask: { window: 2 }, soft_cap: null },
    { name: "causal window", mask: { causal_window: 3 }, soft_cap: null },
    { name: "soft cap", mask: "full", soft_cap: 0.7 },
    { name: "padding", mask: "full", soft_cap: null, padding: [7, 8] },
    { name: "sink", mask: "causal", soft_cap: null, sink: 0.3 },
  ])("$name is a direct softmax", (rule) => {
    const [q, k] = [noise(N * WIDTH, 3), noise(N * WIDTH, 5)];
    const rows = softmax(q, k, rule);
    const padding = Array.from({ length: N }, (_, key) => !(rule.padding ?? []).includes(key));
    const given = { scale: 0.5, mask: rule.mask, soft_cap: rule.soft_cap };
    const weights = recompute(q, k, given, padding, rule.sink);
    rows.forEach((weight, i) => expect(weights[i]).toBeCloseTo(weight, 6));
  });

  test("scores in the hundreds keep their small differences", () => {
    const [q, k] = [new Float32Array([1, 1, 1, 1]), new Float32Array([200, 0.001, 200, 0.002])];
    const weights = recompute(q, k, { scale: 1, mask: "full", soft_cap: null }, [true, true]);
    expect(weights[0]).toBeCloseTo(1 / (1 + Math.exp(0.001)), 7);
  });

  test("a row that sees nothing is zero", () => {
    const weights = recompute(noise(4), noise(4), { scale: 1, mask: "full", soft_cap: null }, [
      false,
      false,
    ]);
    expect([...weights]).toEqual([0, 0, 0, 0]);
  });
});

describe("visibleKeys", () => {
  test.each<[Mask, number, [number, number]]>([
    ["full", 3, [0, 6]],
    ["causal", 3, [0, 4]],
    [{ window: 1 }, 3, [2, 5]],
    [{ window: 9 }, 3, [0, 6]],
    [{ causal_window: 2 }, 3, [2, 4]],
    [{ causal_window: 9 }, 3, [0, 4]],
  ])("%j at query %i", (mask, query, keys) => expect(visibleKeys(mask, query, 6)).toEqual(keys));
});

describe("patternOf", () => {
  const tokens = pair("a b", "c");
  const n = tokens.length;
  const tiny = trace(tokens, 1, 2);
  tiny.rules = [
    {
      site: "blocks.0.attn",
      scale: 0.5,
      mask: "full",
      soft_cap: null,
      sink: null,
      query_heads: 2,
      key_heads: 1,
    },
  ];

  test("takes the head's part of a stored pattern", () => {
    const values = noise(2 * n * n);
    const file = Safetensors.read(
      safetensors({}, { "blocks.0.attn.pattern": { dtype: "F32", shape: [2, n, n], values } }),
    );
    expect([...patternOf(file, tiny, { layer: 0, head: 1 })]).toEqual([...values.subarray(n * n)]);
  });

  test("shares keys between grouped heads, and its rows sum to 1", () => {
    const file = Safetensors.read(
      safetensors(
        {},
        {
          "blocks.0.attn.q": { dtype: "F32", shape: [2, n, 4], values: noise(2 * n * 4, 7) },
          "blocks.0.attn.k": { dtype: "F32", shape: [1, n, 4], values: noise(n * 4, 11) },
        },
      ),
    );
    const weights = patternOf(file, tiny, { layer: 0, head: 1 });
    for (let row = 0; row < n; row++) {
      const sum = weights.subarray(row * n, (row + 1) * n).reduce((total, weight) => total + weight, 0);
      expect(sum).toBeCloseTo(1, 6);
    }
  });
});
