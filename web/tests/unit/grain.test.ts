import { describe, expect, test } from "vitest";
import { joinPattern, partOfGrain, regrain } from "../../src/model/grain";
import type { Part, Text, Token, Trace } from "../../src/model/trace";

/** A text whose tokens are given by their bytes; `null` is a token that was added. */
function textOf(written: string, spans: ([number, number] | null)[], segments: number[] = []): Text {
  const bytes = new TextEncoder().encode(written);
  const tokens = spans.map((span, i): Token => ({
    id: i,
    piece: span ? new TextDecoder().decode(bytes.subarray(...span)) : "[X]",
    span,
    segment: segments[i] ?? 0,
    special: span === null,
    mask: true,
  }));
  return { tokens, bytes };
}

function pieces(text: Text, grain: "words" | "sentences"): string[] {
  const part = { queries: text.tokens, keys: text.tokens } as Part;
  return partOfGrain({ source: text, target: null } as Trace, part, grain).keys.map(({ piece }) => piece);
}

const BERT = textOf("unbelievable cats. They don't sit.", [
  null,
  [0, 2],
  [2, 9],
  [9, 12],
  [13, 17],
  [17, 18],
  [19, 23],
  [24, 27],
  [27, 28],
  [28, 29],
  [30, 33],
  [33, 34],
  null,
]);

describe("joining", () => {
  test("pieces of a word are one token, and what was added stays alone", () => {
    expect(pieces(BERT, "words")).toEqual(["[X]", "unbelievable", "cats", ".", "They", "don't", "sit", ".", "[X]"]);
  });

  test("words of a sentence are one token", () => {
    expect(pieces(BERT, "sentences")).toEqual(["[X]", "unbelievable cats.", "They don't sit.", "[X]"]);
  });

  test("a piece that begins with the space before its word belongs to the word", () => {
    const text = textOf("a lovely day", [[0, 1], [1, 6], [6, 8], [8, 12]]);
    expect(pieces(text, "words")).toEqual(["a", "lovely", "day"]);
  });

  test("spans count bytes, whatever the script", () => {
    const text = textOf("é日本語", [[0, 2], [2, 5], [5, 8], [8, 11]]);
    expect(pieces(text, "words").join("")).toBe("é日本語");
    expect(pieces(text, "words").length).toBeLessThan(4);
  });

  test("sentences of a pair are never joined", () => {
    const text = textOf("one\none", [[0, 3], [4, 7]], [0, 1]);
    expect(pieces(text, "sentences")).toEqual(["one", "one"]);
  });
});

describe("weights", () => {
  test("rows are means, columns are sums, and rows still add up to 1", () => {
    const text = textOf("ab cd", [[0, 1], [1, 2], [3, 4], [4, 5]]);
    const n = 4;
    const pattern = Float32Array.from({ length: n * n }, (_, i) => ((i * 7) % 11) + 1);
    for (let row = 0; row < n; row++) {
      const sum = pattern.subarray(row * n, row * n + n).reduce((a, b) => a + b, 0);
      for (let key = 0; key < n; key++) pattern[row * n + key] /= sum;
    }
    const joined = joinPattern(pattern, text, text, "words");
    const at = (q: number, k: number) => pattern[q * n + k];
    expect(joined).toHaveLength(4);
    expect(joined[1]).toBeCloseTo((at(0, 2) + at(0, 3) + at(1, 2) + at(1, 3)) / 2, 6);
    expect(joined[2]).toBeCloseTo((at(2, 0) + at(2, 1) + at(3, 0) + at(3, 1)) / 2, 6);
    expect(joined[0] + joined[1]).toBeCloseTo(1, 6);
    expect(joined[2] + joined[3]).toBeCloseTo(1, 6);
    expect(joinPattern(pattern, text, text, "pieces")).toBe(pattern);
  });

  test("a target and its text are joined each by its own words", () => {
    const source = textOf("ab c", [[0, 1], [1, 2], [3, 4]]);
    const target = textOf("de", [[0, 1], [1, 2]]);
    const joined = joinPattern(Float32Array.of(0.1, 0.2, 0.7, 0.3, 0.3, 0.4), target, source, "words");
    expect([...joined].map((weight) => weight.toFixed(3))).toEqual(["0.450", "0.550"]);
  });
});

test("a pinned token is found again in another grain", () => {
  expect(regrain(BERT, 3, "pieces", "words")).toBe(1);
  expect(regrain(BERT, 5, "words", "pieces")).toBe(7);
  expect(regrain(BERT, 5, "words", "sentences")).toBe(2);
  expect(regrain(BERT, null, "words", "pieces")).toBeNull();
  expect(regrain(BERT, 99, "words", "pieces")).toBeNull();
});
