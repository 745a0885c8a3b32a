/** Where the head view puts its rows and columns, in CSS pixels. */

import { isSelf, type Sides, type Token } from "../model/trace";

/** What attends, at the left, or what is attended to, at the right. */
export type Side = "query" | "key";

export interface Layout {
  width: number;
  height: number;
  rowHeight: number;
  /** Font size of a token. */
  type: number;
  /** Tokens with a row, from top to bottom, on either side. */
  shown: Record<Side, number[]>;
  /** Middle of each token's row; NaN where it has none. */
  middle: Record<Side, Float32Array>;
  /** Left and right edge of the curves. */
  curves: [number, number];
  /** Width of the token columns. */
  column: number;
  /** Width kept for numbers at each outer side. */
  numbers: number;
  /** Width of the sentence brackets. */
  bracket: number;
  /** Whether numbers have a bar beside them. */
  bars: boolean;
}

const ROW_HEIGHT = { least: 19, most: 54, free: 31 };
const NARROW = 520;
const WIDEST_CURVES = 440;
const GAP = 10;

/**
 * Rows as tall as the space allows, columns as wide as their tokens need.
 * Without a height the picture takes what it needs. `textWidth` measures a token at 1px font size.
 */
export function layOut(
  sides: Sides,
  shown: Record<Side, number[]>,
  space: { width: number; height: number | null },
  textWidth: (token: Token) => number,
): Layout {
  const narrow = space.width < NARROW;
  const { queries, keys } = sides;
  const most = Math.max(shown.query.length, shown.key.length);
  const breaks = Math.max(sentenceBreaks(queries, shown.query), sentenceBreaks(keys, shown.key));
  const height = space.height ?? (most + 1) * ROW_HEIGHT.free;
  const fitting = (height - 4) / (most + breaks * 0.3);
  const rowHeight = Math.max(ROW_HEIGHT.least, Math.min(ROW_HEIGHT.most, Math.floor(fitting)));
  const type = Math.max(12, Math.min(17, 8 + rowHeight * 0.2));
  const right = rows(keys, shown.key, rowHeight);
  const left = isSelf(sides) ? right : rows(queries, shown.query, rowHeight);

  const bars = space.width > 600;
  const numbers = bars ? 102 : 38;
  const bracket = isSelf(sides) && isSplit(keys) ? (narrow ? 18 : 30) : 0;
  const margin = narrow ? 10 : 22;
  const free = space.width - 2 * (numbers + margin + GAP) - bracket;
  const widths = [...shown.query.map((i) => queries[i]), ...shown.key.map((i) => keys[i])].map(textWidth);
  const widest = widths.reduce((most, width) => Math.max(most, width), 0) * type + 20;
  const column = Math.max(48, Math.min(widest, free * 0.32, 190));
  const span = Math.min(WIDEST_CURVES, free - 2 * column + 2 * GAP);
  const start = (space.width - span - bracket) / 2 + bracket;
  return {
    width: space.width,
    height: Math.max(left.height, right.height),
    rowHeight,
    type,
    shown,
    middle: { query: left.middle, key: right.middle },
    curves: [start + GAP, start + span - GAP],
    column,
    numbers,
    bracket,
    bars,
  };
}

function rows(tokens: Token[], shown: number[], rowHeight: number) {
  const middle = new Float32Array(tokens.length).fill(Number.NaN);
  let y = 2;
  shown.forEach((index, row) => {
    if (row > 0 && tokens[index].segment !== tokens[shown[row - 1]].segment) y += rowHeight * 0.3;
    middle[index] = y + rowHeight / 2;
    y += rowHeight;
  });
  return { middle, height: Math.ceil(y + 2) };
}

function sentenceBreaks(tokens: Token[], shown: number[]): number {
  return shown.filter((index, row) => row > 0 && tokens[index].segment !== tokens[shown[row - 1]].segment)
    .length;
}

function isSplit(tokens: Token[]): boolean {
  return tokens.some((token) => token.segment !== tokens[0].segment);
}

/** The token of one side in whose row `y` lies, or null. */
export function tokenAt(layout: Layout, side: Side, y: number): number | null {
  const { rowHeight } = layout;
  const [shown, middle] = [layout.shown[side], layout.middle[side]];
  let [low, high] = [0, shown.length - 1];
  while (low <= high) {
    const row = (low + high) >> 1;
    const distance = y - middle[shown[row]];
    if (Math.abs(distance) <= rowHeight / 2) return shown[row];
    if (distance < 0) high = row - 1;
    else low = row + 1;
  }
  return null;
}

/** Runs of shown tokens of one segment: the sentence brackets. */
export function sentences(layout: Layout, tokens: Token[]) {
  const { rowHeight } = layout;
  const [shown, middle] = [layout.shown.key, layout.middle.key];
  const runs: { segment: number; top: number; bottom: number }[] = [];
  for (const index of shown) {
    const last = runs[runs.length - 1];
    const bottom = middle[index] + rowHeight / 2;
    if (last?.segment === tokens[index].segment) last.bottom = bottom;
    else runs.push({ segment: tokens[index].segment, top: bottom - rowHeight, bottom });
  }
  return runs;
}
