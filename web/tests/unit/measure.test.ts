import { describe, expect, test } from "vitest";
import {
  FLOWS,
  flowShare,
  inFlow,
  isPair,
  KINDS,
  kindOf,
  kindsOf,
  massByKind,
  percentages,
  strongest,
  withoutSpecial,
} from "../../src/model/measure";
import { itself, noise, pair, randomPattern, words } from "./tensors";

const tokens = pair("the cat sat", "a dog"); // [CLS] the cat sat [SEP] a dog [SEP]
const n = tokens.length;
const sides = itself(tokens);
const pattern = randomPattern(n);
const all = () => true;
const total = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0);

describe("mass by kind", () => {
  test.each([
    [2, 0, "first"],
    [0, 0, "first"],
    [3, 4, "separators"],
    [2, 2, "itself"],
    [2, 3, "next"],
    [2, 1, "previous"],
    [1, 3, "same"],
    [1, 5, "other"],
  ])("from %i to %i is %s", (query, key, kind) => expect(KINDS[kindOf(sides, query, key)].key).toBe(kind));

  test.each(tokens.map((_, query) => query))("the kinds of row %i add up to 1", (query) => {
    expect(total(massByKind(pattern, sides, { query, key: null }))).toBeCloseTo(1, 5);
  });

  test("the kinds of a column add up to what the token receives", () => {
    const received = tokens.map((_, query) => pattern[query * n + 2]);
    expect(total(massByKind(pattern, sides, { query: null, key: 2 }))).toBeCloseTo(total(received), 5);
  });

  test("a column tells what attends: the token after it is its next", () => {
    const mass = massByKind(pattern, sides, { query: null, key: 2 });
    expect(mass[KINDS.findIndex(({ key }) => key === "next")]).toBeCloseTo(pattern[3 * n + 2], 6);
  });

  test("the whole pattern has the weight of all rows", () => {
    expect(total(massByKind(pattern, sides, { query: null, key: null }))).toBeCloseTo(n, 4);
  });
});

describe("percentages", () => {
  test.each([[[1, 1, 1]], [[0.99, 0.007, 0.003]], [[0.1234, 0.3333, 0.5433]], [[1e-9, 1, 0]]])(
    "%j add up to 100.0",
    (parts) => {
      expect(total(percentages(parts).map((share) => Math.round(share * 10)))).toBe(1000);
    },
  );

  test("of nothing are zero", () => expect(percentages([0, 0])).toEqual([0, 0]));
});

describe("strongest", () => {
  test("sorts a row, and keeps to what is shown", () => {
    const row = { query: 2, key: null };
    const edges = strongest([pattern], sides, row, 3, all);
    const weights = [...pattern.subarray(2 * n, 3 * n)].sort((a, b) => b - a).slice(0, 3);
    expect(edges.map(({ weight }) => weight)).toEqual(weights);
    expect(strongest([pattern], sides, row, n, (_, key) => key === 1).map(({ key }) => key)).toEqual([1]);
  });

  test("looks through several heads", () => {
    const sharp = new Float32Array(n * n);
    sharp[5 * n + 6] = 1;
    const [best] = strongest([pattern, sharp], sides, { query: null, key: null }, 1, all);
    expect(best).toEqual({ query: 5, key: 6, of: 1, weight: 1 });
  });
});

describe("without special tokens", () => {
  const { weights, removed } = withoutSpecial(pattern, sides);

  test("rows of words sum to 1 again, the others are gone", () => {
    tokens.forEach(({ special }, query) => {
      expect(total(weights.subarray(query * n, (query + 1) * n))).toBeCloseTo(special ? 0 : 1, 5);
    });
  });

  test("the amount removed is the words' weight on special tokens", () => {
    const words = tokens.flatMap(({ special }, i) => (special ? [] : [i]));
    const lost = words.map((query) =>
      total(tokens.map(({ special }, key) => (special ? pattern[query * n + key] : 0))),
    );
    expect(removed).toBeCloseTo(total(lost) / words.length, 5);
  });
});

describe("flows", () => {
  test("each edge between sentences is in exactly one of the four", () => {
    const four = FLOWS.slice(1).map(({ key }) => inFlow(key, sides));
    for (let query = 0; query < n; query++) {
      for (let key = 0; key < n; key++) expect(four.filter((shows) => shows(query, key))).toHaveLength(1);
    }
  });

  test("A→B keeps edges from A to B", () => {
    const shows = inFlow("ab", sides);
    expect([shows(1, 5), shows(5, 1), shows(1, 2), shows(5, 6)]).toEqual([true, false, false, false]);
  });

  test("the shares of one sentence's flows add up to 1", () => {
    expect(flowShare(pattern, "aa", sides) + flowShare(pattern, "ab", sides)).toBeCloseTo(1, 5);
    expect(flowShare(pattern, "ba", sides) + flowShare(pattern, "bb", sides)).toBeCloseTo(1, 5);
    expect(flowShare(pattern, "all", sides)).toBe(1);
  });
});

describe("a target that attends to a source", () => {
  const across = { queries: words("[s] der hund"), keys: words("the dog ran home [/s]") };
  const weights = noise(15, 5).map((value) => value + 1.01);

  test("a row has a first token, separators, and others", () => {
    const mass = massByKind(weights, across, { query: 2, key: null });
    const row = weights.subarray(10, 15);
    const expected = { first: row[0], separators: row[4], other: row[1] + row[2] + row[3] };
    KINDS.forEach(({ key }, i) => expect(mass[i]).toBeCloseTo((expected as any)[key] ?? 0, 6));
    expect(kindsOf(across).map(({ label }) => label)).toEqual(["first token", "separators", "other tokens"]);
  });

  test("a column tells which tokens of the target attend", () => {
    const mass = massByKind(weights, across, { query: null, key: 3 });
    expect(mass[0]).toBeCloseTo(weights[3], 6); // [s], the first
    expect(mass[6]).toBeCloseTo(weights[8] + weights[13], 6);
  });

  test("the strongest edge is found in a pattern that is no square", () => {
    const sharp = new Float32Array(15);
    sharp[1 * 5 + 4] = 1;
    const [best] = strongest([sharp], across, { query: null, key: null }, 1, all);
    expect(best).toEqual({ query: 1, key: 4, of: 0, weight: 1 });
  });

  test("without special tokens the rows of words sum to 1 again", () => {
    const without = withoutSpecial(weights, across).weights;
    expect([0, 1, 2].map((query) => total(without.subarray(query * 5, query * 5 + 5)))).toEqual([
      0,
      expect.closeTo(1, 5),
      expect.closeTo(1, 5),
    ]);
    expect(without[9]).toBe(0); // [/s]
  });

  test("there are no sentences to filter by", () => expect(isPair(across)).toBe(false));
});
