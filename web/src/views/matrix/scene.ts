/** What there is to draw in the matrix view, and where. */

import { gridOf, hasMask, Margins } from "../../model/pyramid";
import type { Token } from "../../model/trace";
import { differences, type Taken } from "./difference";
import type { Picture } from "../../picture";
import { type Plot, plotIn } from "./camera";
import { BAR, type Colours, type Edge, GAP, Labels, runsIn, SLANT } from "./rulers";

/** What there is to draw, and where: everything but the camera. */
export type Scene = ReturnType<typeof sceneOf>;

/** The weights as rows and columns, less what is taken from them, and what is told beside them. */
export function numbersOf({ part, shown, weights, focused, trace, heads }: Picture, taken: Taken | null) {
  const { mask } = trace.rules[heads[focused].layer];
  const grid = taken
    ? gridOf(differences(weights[focused], taken.weights), part, shown, [mask, taken.mask], true)
    : gridOf(weights[focused], part, shown, [mask]);
  return { grid, margins: new Margins(grid), masked: hasMask(grid) };
}

export function sceneOf(
  { part, shows, scale }: Picture,
  { grid, margins, masked }: ReturnType<typeof numbersOf>,
  frame: HTMLElement | null,
  size: { width: number; height: number },
) {
  const extent = { rows: grid.queries.length, columns: grid.keys.length };
  const style = getComputedStyle(frame ?? document.body);
  const family = style.fontFamily;
  const narrow = size.width < 520;
  const labels = new Labels(family, narrow ? 66 : 104);
  const edge = (side: Edge["side"], tokens: Token[], shown: Int32Array): Edge => {
    // Room for the places in the text, where labels have them.
    const number = shown.length > 30 ? 10 + 7 * Math.ceil(Math.log10(shown.length)) : 0;
    const longest = labels.widest(tokens, shown) + number;
    return { side, tokens, shown, runs: runsIn(tokens, shown), apart: side === "query" ? 13 : 17, longest };
  };
  const rows = edge("query", part.queries, grid.queries);
  const columns = edge("key", part.keys, grid.keys);
  const bracket = rows.runs.length > 1 ? 26 : 0;
  const left = Math.max(96, rows.longest + GAP + 6 + bracket); // under the labels stands what the bars are
  const top = columns.longest * Math.sin(SLANT) + GAP + 14;
  const right = GAP + BAR + (narrow ? 18 : 34);
  const bottom = GAP + BAR + (columns.runs.length > 1 ? 28 : 4);
  const room: Plot = {
    left,
    top: Math.ceil(top),
    width: Math.max(40, size.width - left - right),
    height: Math.max(40, size.height - Math.ceil(top) - bottom),
  };
  const plot = plotIn(extent, room);
  const colours = (
    ["paper", "raised", "ink", "soft", "quiet", "hair", "accent", "accent-soft", "looked", "looked-soft"] as const
  ).reduce(
    (all, name) => Object.assign(all, { [name]: style.getPropertyValue(`--${name}`).trim() }),
    {} as Colours,
  );
  return {
    grid,
    extent,
    plot,
    size,
    /** Where the brackets of the rows stand. */
    bracket: plot.left - left + 18,
    rows,
    columns,
    labels,
    colours,
    family,
    shows,
    scale,
    masked,
    margins,
    rowOf: placesOf(grid.queries, part.queries.length),
    columnOf: placesOf(grid.keys, part.keys.length),
  };
}

/** From a token's place in the text to its row or column; -1 where it has none. */
function placesOf(shown: Int32Array, count: number): (index: number | null) => number {
  const places = new Int32Array(count).fill(-1);
  shown.forEach((index, place) => (places[index] = place));
  return (index) => (index === null ? -1 : (places[index] ?? -1));
}
