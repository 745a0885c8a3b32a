/** Where the head view puts its rows and columns, in CSS pixels. */

import type { Token } from "../model/trace";

export interface Layout {
  width: number;
  height: number;
  rowHeight: number;
  /** Font size of a token. */
  type: number;
  /** Tokens with a row, from top to bottom. */
  shown: number[];
  /** Middle of each token's row; NaN where it has none. */
  middle: Float32Array;
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
  tokens: Token[],
  shown: number[],
  space: { width: number; height: number | null },
  textWidth: (token: Token) => number,
): Layout {
  const narrow = space.width < NARROW;
  const breaks = sentenceBreaks(tokens, shown);
  const height = space.height ?? (shown.length + 1) * ROW_HEIGHT.free;
  const fitting = (height - 4) / (shown.length + breaks * 0.3);
  const rowHeight = Math.max(ROW_HEIGHT.least, Math.min(ROW_HEIGHT.most, Math.floor(fitting)));
  const type = Math.max(12, Math.min(17, 8 + rowHeight * 0.2));
  const placed = rows(tokens, shown, rowHeight);

  const bars = space.width > 600;
  const numbers = bars ? 102 : 38;
  const bracket = isSplit(tokens) ? (narrow ? 18 : 30) : 0;
  const margin = narrow ? 10 : 22;
  const free = space.width - 2 * (numbers + margin + GAP) - bracket;
  const widest = Math.max(0, ...shown.map((i) => textWidth(tokens[i]))) * type + 20;
  const column = Math.max(48, Math.min(widest, free * 0.32, 190));
  const span = Math.min(WIDEST_CURVES, free - 2 * column + 2 * GAP);
  const left = (space.width - span - bracket) / 2 + bracket;
  return {
    width: space.width,
    height: placed.height,
    rowHeight,
    type,
    shown,
    middle: placed.middle,
    curves: [left + GAP, left + span - GAP],
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

/** The token in whose row `y` lies, or null. */
export function tokenAt({ shown, middle, rowHeight }: Layout, y: number): number | null {
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
export function sentences({ shown, middle, rowHeight }: Layout, tokens: Token[]) {
  const runs: { segment: number; top: number; bottom: number }[] = [];
  for (const index of shown) {
    const last = runs[runs.length - 1];
    const bottom = middle[index] + rowHeight / 2;
    if (last?.segment === tokens[index].segment) last.bottom = bottom;
    else runs.push({ segment: tokens[index].segment, top: bottom - rowHeight, bottom });
  }
  return runs;
}
