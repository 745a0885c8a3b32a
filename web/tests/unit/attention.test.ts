import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { patternOf, power, recompute, visibleKeys } from "../../src/model/attention";
import { Safetensors } from "../../src/model/safetensors";
import { bucket, byDistance } from "../../src/model/position";
import type { Mask } from "../../src/model/trace";
import { noise, pair, rule, safetensors, trace, traceOfTwo, words } from "./tensors";

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
    const weights = recompute(q, k, given, padding, { sink: rule.sink });
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
  tiny.rules = [{ ...rule("blocks.0.attn", 2), key_heads: 1 }];

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

  test("has a row for each token of the target and a column for each of the source", () => {
    const two = traceOfTwo(words("the dog ran home [/s]"), words("[s] der hund"));
    const site = "decoder.blocks.0.cross_attn";
    const [q, k] = [noise(2 * 3 * 4, 7), noise(2 * 5 * 4, 11)];
    const file = Safetensors.read(
      safetensors(
        {},
        {
          [`${site}.q`]: { dtype: "F32", shape: [2, 3, 4], values: q },
          [`${site}.k`]: { dtype: "F32", shape: [2, 5, 4], values: k },
        },
      ),
    );
    const weights = patternOf(file, two, { layer: 3, head: 1 });
    expect(weights).toHaveLength(15);
    expect([...weights]).toEqual([
      ...recompute(q.subarray(12), k.subarray(20), two.rules[3], Array(5).fill(true)),
    ]);
  });
});

describe("what positions add", () => {
  const buckets = (n: number, max_distance: number, two_sided: boolean) => ({
    table: Array.from({ length: n }, () => [0]),
    max_distance,
    two_sided,
  });

  // As `_relative_position_bucket` of transformers has them.
  test.each<[number, boolean, number, number]>([
    [32, true, 0, 0],
    [32, true, -7, 7],
    [32, true, -8, 8],
    [32, true, -11, 8],
    [32, true, -12, 9],
    [32, true, -16, 10],
    [32, true, -64, 14],
    [32, true, -91, 15],
    [32, true, 1, 17],
    [32, true, 500, 31],
    [32, false, 1, 0],
    [32, false, -15, 15],
    [32, false, -19, 17],
    [32, false, -500, 31],
  ])("of %i buckets, two-sided %s, distance %i is in %i", (n, two_sided, distance, expected) =>
    expect(bucket(buckets(n, 128, two_sided), distance)).toBe(expected),
  );

  test("falls with the distance by a head's slope (ALiBi)", () => {
    expect([...byDistance({ alibi: { slopes: [1, 0.25] } }, 1, 3, 2)]).toEqual([-0.5, -0.25, 0, 0.25]);
  });

  test("makes the patterns that transformers computes (T5)", () => {
    const read = (name: string) =>
      Safetensors.read(readFileSync(join(import.meta.dirname, "../../../fixtures/t5", name)));
    const [model, reference] = [read("model.safetensors"), read("reference.safetensors")];
    for (const [stack, two_sided] of [
      ["encoder", true],
      ["decoder", false],
    ] as const) {
      const table = model.f32(`${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`);
      const rows = Array.from({ length: 12 }, (_, i) => [...table.subarray(i * 3, i * 3 + 3)]);
      const site = `long/${stack}.blocks.0.attn`;
      const [heads, tokens, width] = reference.shape(`${site}.q`);
      const of = (name: string, head: number, size: number) =>
        reference.f32(`${site}.${name}`).subarray(head * size, (head + 1) * size);
      for (let head = 0; head < heads; head++) {
        const position = { buckets: { table: rows, max_distance: 11, two_sided } };
        const weights = recompute(
          of("q", head, tokens * width),
          of("k", head, tokens * width),
          { scale: 1, mask: two_sided ? "full" : "causal", soft_cap: null },
          Array(tokens).fill(true),
          { position: byDistance(position, head, tokens, tokens) },
        );
        const off = of("pattern", head, tokens * tokens).map((weight, i) => Math.abs(weight - weights[i]));
        expect(Math.max(...off)).toBeLessThan(2e-6);
      }
    }
  });
});

test("powers have twelve digits, and end where single precision does", () => {
  for (let x = 0; x > -110; x -= 0.0371) expect(Math.abs(power(x) / Math.exp(x) - 1)).toBeLessThan(2e-12);
  expect([power(0), power(-151), power(Number.NEGATIVE_INFINITY), power(Number.NaN)]).toEqual([1, 0, 0, Number.NaN]);
});
