import { describe, expect, test } from "vitest";
import { hiddenBy, type Line, linesOf, type Neuron, neuronOf, printWeight, rowOf, termsOf } from "../../src/model/neuron";
import { pairsOf, turnsOf } from "../../src/model/rotation";
import { Safetensors } from "../../src/model/safetensors";
import type { Rule } from "../../src/model/trace";
import { neededBy, readVectors, vectorsOf } from "../../src/model/vectors";
import { noise, rule as ruleOf, safetensors, trace, words } from "./tensors";

const [QUERIES, KEYS, WIDTH] = [5, 7, 6];
const PLAIN = ruleOf("blocks.0.attn", 2);
const loud = (count: number, seed: number) => noise(count, seed).map((value) => 3 * value);

interface Case {
  name: string;
  rule?: Partial<Rule>;
  vectors?: Record<string, Float32Array>;
  padding?: number[];
  /** What is added to a score after the scale and the cap. */
  added?: (distance: number) => number;
  /** Lines that only this kind of rule has. */
  lines?: string[];
}

const POS = { pos_q: loud((QUERIES + KEYS - 1) * WIDTH, 17), pos_k: loud((QUERIES + KEYS - 1) * WIDTH, 19) };
const TABLE = Array.from({ length: 8 }, (_, bucket) => [0, Math.fround(bucket * 0.37 - 1)]);

const CASES: Case[] = [
  { name: "nothing else" },
  { name: "no scale", rule: { scale: 1 } },
  { name: "a causal mask", rule: { mask: "causal" } },
  { name: "a window", rule: { mask: { window: 2 } } },
  { name: "a causal window", rule: { mask: { causal_window: 2 } } },
  { name: "padding", padding: [5, 6] },
  { name: "a soft cap", rule: { soft_cap: 2 }, lines: ["scaled", "capped"] },
  { name: "a sink", rule: { sink: [0, 1.25] }, lines: ["sink"] },
  {
    name: "ALiBi",
    rule: { position: { alibi: { slopes: [1, 0.0625] } } },
    added: (distance) => 0.0625 * distance,
    lines: ["scaled", "position"],
  },
  {
    name: "buckets",
    rule: { position: { buckets: { table: TABLE, max_distance: 20, two_sided: true } } },
    // Distances up to 4 on each side, in 8 buckets up to 20: 0, 1, then 2 shared.
    added: (distance) => TABLE[(distance > 0 ? 4 : 0) + Math.min(2, Math.abs(distance))][1],
    lines: ["scaled", "position"],
  },
  {
    name: "vectors of distances",
    rule: { position: { disentangled: { queries_meet: true, keys_meet: true } } },
    vectors: POS,
    lines: ["met-query", "met-key"],
  },
  {
    name: "rotation",
    vectors: { q_pre: loud(QUERIES * WIDTH, 23), k_pre: loud(KEYS * WIDTH, 29) },
    lines: ["before", "rotation"],
  },
];

function neuron({ rule = {}, vectors = {}, padding = [] }: Case): Neuron {
  const queries = words("a b c d e");
  const keys = words("f g h i j k l").map((token, i) => ({ ...token, mask: !padding.includes(i) }));
  const own = { q: loud(QUERIES * WIDTH, 7), k: loud(KEYS * WIDTH, 11), ...vectors };
  return neuronOf({ ...PLAIN, ...rule }, 1, { queries, keys }, own);
}

/** Scores as the textbook has them; −∞ where masked. */
function plainScores(of: Case, { vectors, rule, keys }: Neuron): number[][] {
  const dot = (a: Float32Array, i: number, b: Float32Array, j: number) => {
    let sum = 0;
    for (let d = 0; d < WIDTH; d++) sum += a[i * WIDTH + d] * b[j * WIDTH + d];
    return sum;
  };
  return Array.from({ length: QUERIES }, (_, i) =>
    Array.from({ length: KEYS }, (_, j) => {
      if (hiddenBy(rule.mask, i, j, keys)) return Number.NEGATIVE_INFINITY;
      let score = dot(vectors.q, i, vectors.k, j);
      const at = j - i + QUERIES - 1;
      if (vectors.pos_k) score += dot(vectors.q, i, vectors.pos_k, at);
      if (vectors.pos_q) score += dot(vectors.k, j, vectors.pos_q, at);
      score *= rule.scale;
      if (rule.soft_cap !== null) score = rule.soft_cap * Math.tanh(score / rule.soft_cap);
      return score + (of.added?.(j - i) ?? 0);
    }),
  );
}

describe.each(CASES)("with $name", (of) => {
  const made = neuron(of);
  const expected = plainScores(of, made);

  test.each([0, 1, 2, 3, 4])("the row of query %i is a direct softmax", (query) => {
    const row = rowOf(made, query);
    const sink = of.rule?.sink?.[1];
    const sum = expected[query].reduce((total, s) => total + Math.exp(s), sink === undefined ? 0 : Math.exp(sink));
    expected[query].forEach((score, key) => {
      if (score === Number.NEGATIVE_INFINITY) expect(row.scores[key]).toBe(score);
      else expect(row.scores[key]).toBeCloseTo(score, 6);
    });
    expect(row.most + Math.log(row.sum)).toBeCloseTo(Math.log(sum), 6);
  });

  test("the printed lines give the weight", () => {
    for (let query = 0; query < QUERIES; query++) {
      const row = rowOf(made, query);
      for (let key = 0; key < KEYS; key++) {
        const weight = Math.fround(Math.exp(row.scores[key] - row.most) / row.sum);
        const lines = linesOf(made, query, key, row, weight);
        const printed = (name: string) => numberOf(lines, name);
        expect(lines.map((line) => line.key)).toEqual(expect.arrayContaining(of.lines ?? []));
        if (row.scores[key] === Number.NEGATIVE_INFINITY) {
          expect(lines.at(-1)!.value).toBe("0");
          continue;
        }
        expect(printed("score")).toBeCloseTo(row.scores[key], 4);
        expect(printed("lse")).toBeCloseTo(printed("most")! + Math.log(printed("sum")!), 4.8);
        const found = Math.exp(printed("score")! - printed("lse")!);
        expect(found.toPrecision(4)).toBe(Number(lines.at(-1)!.value).toPrecision(4));
        expect(printWeight(weight)).toBe(lines.at(-1)!.value);
      }
    }
  });
});

function numberOf(lines: Line[], name: string): number | undefined {
  const line = lines.find(({ key }) => key === name);
  return line && Number(line.value.replace("−", "-"));
}

describe("lines", () => {
  test("say how they were made", () => {
    const made = neuron(CASES.find(({ name }) => name === "ALiBi")!);
    const lines = linesOf(made, 4, 1, rowOf(made, 4), 0.5);
    const how = Object.fromEntries(lines.map((line) => [line.key, line.how]));
    expect(how.dot).toBe("sum of 6 products");
    expect(how.scale).toBe("1 / √4");
    expect(how.position).toBe("slope 0.0625 × distance −3");
    expect(how.sum).toBe("over 7 keys");
  });

  test("that do not give the recorded weight say so", () => {
    const made = neuron({ name: "" });
    const last = linesOf(made, 0, 0, rowOf(made, 0), 0.123456).at(-1)!;
    expect(last.how).toMatch(/^exp\(s − log-sum-exp\) = \S+, recorded as$/);
    expect(last.value).toBe("0.1235");
  });

  test("of what is masked end in why", () => {
    const made = neuron({ name: "", rule: { mask: "causal" } });
    const lines = linesOf(made, 1, 3, rowOf(made, 1), 0);
    expect(lines.slice(-2).map(({ value, how }) => [value, how])).toEqual([
      ["hidden", "the key comes after the query"],
      ["0", "what is hidden has none"],
    ]);
  });
});

test.each([
  [0, "0"],
  [1e-42, "0"],
  [0.25, "0.2500"],
  [0.000123456, "0.0001235"],
  [0.0000123456, "1.235e-5"],
])("the weight %d is printed as %s", (weight, text) => expect(printWeight(weight)).toBe(text));

describe("rotation", () => {
  const [TOKENS, D] = [6, 12];
  /** Turns the first `r` dimensions, by halves or by neighbours. */
  function turn(before: Float32Array, r: number, halves: boolean, magnitude = 1): Float32Array {
    const after = before.slice();
    for (let token = 0; token < TOKENS; token++) {
      for (let i = 0; i < r / 2; i++) {
        const [a, b] = halves ? [i, i + r / 2] : [2 * i, 2 * i + 1];
        const [x, y] = [before[token * D + a], before[token * D + b]];
        const angle = token * 10 ** ((-4 * i) / r);
        after[token * D + a] = magnitude * (x * Math.cos(angle) - y * Math.sin(angle));
        after[token * D + b] = magnitude * (x * Math.sin(angle) + y * Math.cos(angle));
      }
    }
    return after;
  }
  const [q_pre, k_pre] = [loud(TOKENS * D, 3), loud(TOKENS * D, 5)];

  test.each([
    [12, true, 1],
    [12, false, 1],
    [4, true, 1],
    [8, false, 1],
    [12, true, 1.3],
  ])("of %i dimensions, halves %s, is found with its angles", (r, halves, magnitude) => {
    const [q, k] = [q_pre, k_pre].map((before) => turn(before, r, halves, magnitude));
    const pairs = pairsOf(q_pre, q, D)!;
    expect(pairs).toHaveLength(r / 2);
    expect(pairs[1]).toEqual(halves ? [1, 1 + r / 2] : [2, 3]);
    const turns = turnsOf(pairs, [q_pre, q, k_pre, k], 4, 2, D);
    expect(turns[0].angle).toBeCloseTo(2, 4);
    expect(turns[1].angle).toBeCloseTo(2 * 10 ** (-4 / r), 4);
    const rest = Array.from({ length: D - r }, (_, i) => q[4 * D + r + i] * k[2 * D + r + i]);
    const sum = [...turns.map(({ after }) => after), ...rest].reduce((total, part) => total + part, 0);
    const made = neuronOf({ ...PLAIN, query_heads: 2 }, 0, { queries: words("a b c d e f"), keys: words("a b c d e f") }, { q, k, q_pre, k_pre });
    expect(sum).toBeCloseTo(termsOf(made, 4, 2).dot, 4);
  });

  test("is not made up where nothing turns, or something else happens", () => {
    expect(pairsOf(q_pre, q_pre.slice(), D)).toBeNull();
    expect(pairsOf(q_pre, k_pre, D)).toBeNull();
  });
});

describe("vectors", () => {
  test("are a head's own, keys those that it shares", () => {
    const tensor = (heads: number, seed: number) => ({ dtype: "F32" as const, shape: [heads, 3, 2], values: noise(heads * 6, seed) });
    const given = { "blocks.0.attn.q": tensor(4, 3), "blocks.0.attn.k": tensor(2, 5), "blocks.0.attn.k_pre": tensor(2, 7) };
    const tiny = trace(words("a b c"), 1, 4);
    tiny.rules = [{ ...ruleOf("blocks.0.attn", 4), key_heads: 2 }];
    const found = vectorsOf(Safetensors.read(safetensors({}, given)), tiny, { layer: 0, head: 3 });
    expect(Object.keys(found)).toEqual(["q", "k", "k_pre"]);
    expect([...found.q!]).toEqual([...given["blocks.0.attn.q"].values.subarray(18)]);
    expect([...found.k!]).toEqual([...given["blocks.0.attn.k"].values.subarray(6)]);
  });

  test("are read from the app's answer, and needed as the rule says", () => {
    const values = noise(6);
    const found = readVectors(safetensors({}, { q: { dtype: "F32", shape: [3, 2], values } }));
    expect(found).toEqual({ q: values });
    expect(readVectors(safetensors({}, {}))).toEqual({});
    expect(neededBy({})).toEqual(["q", "k"]);
    const position = { disentangled: { queries_meet: true, keys_meet: false } };
    expect(neededBy({ position })).toEqual(["q", "k", "pos_k"]);
  });
});
