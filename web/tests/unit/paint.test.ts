import { describe, expect, test } from "vitest";
import { layOut, sentences, tokenAt } from "../../src/views/layout";
import { strengthOf, visibleEdges } from "../../src/views/paint";
import { itself, noise, pair, randomPattern, words } from "./tensors";

const tokens = pair("the cat sat on the mat", "the dog played in the park");
const n = tokens.length;
const every = (count: number) => Array.from({ length: count }, (_, i) => i);
const shown = every(n);
const both = { query: shown, key: shown };
const layout = layOut(itself(tokens), both, { width: 700, height: 660 }, () => 4);
const ink = { colour: "#000000", dashed: false };

describe("rows", () => {
  test("fill the height and leave a gap between sentences", () => {
    expect(layout.height).toBeLessThanOrEqual(660);
    expect(layout.middle.key[8] - layout.middle.key[7]).toBeGreaterThan(layout.rowHeight);
    expect(layout.middle.key[2] - layout.middle.key[1]).toBe(layout.rowHeight);
  });

  test("are found by their place", () => {
    for (const i of shown) expect(tokenAt(layout, "query", layout.middle.key[i])).toBe(i);
    expect(tokenAt(layout, "key", -50)).toBeNull();
    expect(tokenAt(layout, "query", layout.middle.key[n - 1] + 500)).toBeNull();
  });

  test("belong to two sentences", () =>
    expect(sentences(layout, tokens).map(({ segment }) => segment)).toEqual([0, 1]));

  test.each([320, 390, 520, 700, 1400])("fit into %i px", (width) => {
    const { curves, column, numbers, bracket } = layOut(itself(tokens), both, { width, height: 660 }, () => 4);
    expect(curves[0] - column - bracket - numbers).toBeGreaterThanOrEqual(0);
    expect(curves[1] + column + numbers).toBeLessThanOrEqual(width);
    expect(curves[1] - curves[0]).toBeGreaterThan(40);
  });
});

describe("edges", () => {
  const layers = [{ weights: randomPattern(n), ink }];
  const all = () => true;

  test("are sorted, weakest first", () => {
    const { strength, count } = visibleEdges(layers, layout, n, { top: 1, sqrt: true }, all);
    expect(count).toBeGreaterThan(n * n * 0.98);
    for (let i = 1; i < count; i++) expect(strength[i]).toBeGreaterThan(strength[i - 1] - 1 / 256);
  });

  test("leave out what cannot be seen, and say from where", () => {
    const weights = new Float32Array(n * n);
    weights[1] = 0.0001;
    weights[2] = 0.5;
    const edges = visibleEdges([{ weights, ink }], layout, n, { top: 1, sqrt: true }, all);
    expect(edges.count).toBe(1);
    expect(edges.least).toBeGreaterThan(0.0001);
    expect([...edges.key]).toEqual([2]);
  });

  test("are never more than can be drawn in time", () => {
    const many = Array.from({ length: 200 }, (_, i) => ({ ...tokens[1], id: i }));
    const tall = layOut(
      itself(many),
      { query: every(200), key: every(200) },
      { width: 700, height: 660 },
      () => 4,
    );
    const { count } = visibleEdges(
      [{ weights: randomPattern(200), ink }],
      tall,
      200,
      { top: 1, sqrt: true },
      all,
    );
    expect(count).toBeLessThanOrEqual(5000);
    expect(count).toBeGreaterThan(500);
  });
});

describe("two texts", () => {
  const across = { queries: words("[s] der hund"), keys: words("the dog ran home [/s]") };
  const placed = layOut(across, { query: every(3), key: every(5) }, { width: 700, height: 300 }, () => 4);

  test("have rows of their own, side by side", () => {
    expect(placed.middle.query).toHaveLength(3);
    expect([...placed.middle.query]).toEqual([...placed.middle.key.subarray(0, 3)]);
    expect(tokenAt(placed, "key", placed.middle.key[4])).toBe(4);
    expect(tokenAt(placed, "query", placed.middle.key[4])).toBeNull();
    expect(placed.bracket).toBe(0);
  });

  test("have an edge from each token of one to each of the other", () => {
    const weights = noise(15, 5).map((value) => value + 1.01);
    const edges = visibleEdges([{ weights, ink }], placed, 5, { top: 2, sqrt: true }, () => true);
    expect(new Set(edges.query)).toEqual(new Set(every(3)));
    expect(new Set(edges.key)).toEqual(new Set(every(5)));
  });
});

test("the square-root scale lifts small weights, and both end at 1", () => {
  expect(strengthOf(0.25, { top: 1, sqrt: true })).toBeCloseTo(0.5);
  expect(strengthOf(0.25, { top: 1, sqrt: false })).toBeCloseTo(0.25);
  expect(strengthOf(0.3, { top: 0.3, sqrt: true })).toBe(1);
  expect(strengthOf(2, { top: 1, sqrt: false })).toBe(1);
});
