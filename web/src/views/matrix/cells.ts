/** The cells of the matrix: their colours are tiles, the rest is drawn over them. */

import { type Grid, sees, weightAt } from "../../model/pyramid";
import { type Camera, type Extent, type Plot } from "./camera";
import { type Scale, strengthOf } from "../paint";
import { cssOf, pixelOf } from "./ramp";
import type { Colours, Run } from "./rulers";

/** Cells of this side are parted by a line. */
const PARTED = 7;
/** Cells of this side have their weight written in them. */
export const WRITTEN = 27;
/** Cells of this side have room for one more digit. */
const WIDE = 38;
/** Weights that would be written as nothing but zeros are left out. */
const LEAST_WRITTEN = 0.005;

/** What of the pattern is in sight, as rows and columns from the first to before the last. */
function sight(camera: Camera, { rows, columns }: Extent, plot: Plot) {
  return {
    top: Math.floor(camera.row),
    left: Math.floor(camera.column),
    bottom: Math.min(rows, Math.ceil(camera.row + plot.height / camera.cell)),
    right: Math.min(columns, Math.ceil(camera.column + plot.width / camera.cell)),
  };
}

export const placeOf = (camera: Camera, plot: Plot) => ({
  x: (column: number) => plot.left + (column - camera.column) * camera.cell,
  y: (row: number) => plot.top + (row - camera.row) * camera.cell,
});

/** Lines of paper between cells that are large enough. */
export function partCells(
  context: CanvasRenderingContext2D,
  camera: Camera,
  extent: Extent,
  plot: Plot,
  { paper }: Colours,
) {
  if (camera.cell < PARTED) return;
  const { top, left, bottom, right } = sight(camera, extent, plot);
  const { x, y } = placeOf(camera, plot);
  context.fillStyle = paper;
  for (let row = top; row <= bottom; row++) {
    context.fillRect(plot.left, Math.round(y(row)) - 0.5, plot.width, 1);
  }
  for (let column = left; column <= right; column++) {
    context.fillRect(Math.round(x(column)) - 0.5, plot.top, 1, plot.height);
  }
}

/** The weights in cells that have room for them: ink on weak ones, paper on strong ones or the reverse. */
export function writeWeights(
  context: CanvasRenderingContext2D,
  grid: Grid,
  camera: Camera,
  extent: Extent,
  plot: Plot,
  scale: Scale,
  ramp: Uint32Array,
  dark: boolean,
  family: string,
) {
  if (camera.cell < WRITTEN) return;
  const { top, left, bottom, right } = sight(camera, extent, plot);
  const { x, y } = placeOf(camera, plot);
  const digits = camera.cell >= WIDE ? 3 : 2;
  context.font = `400 ${digits === 3 ? 12 : 11}px ${family}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const [zero, one] = [pixelOf(ramp, 0, false), pixelOf(ramp, 1, false)];
  const [light, deep] = dark ? [one, zero] : [zero, one];
  const [onPale, onDeep] = [cssOf(deep), cssOf(light)];
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const weight = weightAt(grid, row, column);
      if (Math.abs(weight) < LEAST_WRITTEN || !sees(grid, row, column)) continue;
      const strong = strengthOf(Math.abs(weight), scale) > 0.42;
      context.fillStyle = strong === dark ? onPale : onDeep;
      const sign = !grid.signed ? "" : weight < 0 ? "−" : "+";
      context.fillText(sign + short(Math.abs(weight), digits), x(column + 0.5), y(row + 0.5) + 0.5);
    }
  }
}

/** A weight without the zero before the point. */
export function short(weight: number, digits: number): string {
  const text = weight.toFixed(digits);
  return text.startsWith("0") ? text.slice(1) : text.slice(0, digits + 1);
}

/** A line between sentences, and a veil over what the edge filter leaves out. */
export function drawSentences(
  context: CanvasRenderingContext2D,
  runs: { query: Run[]; key: Run[] },
  /** Whether the filter shows what one sentence's tokens are to another's. */
  shows: (query: Run, key: Run) => boolean,
  camera: Camera,
  plot: Plot,
  { paper, quiet }: Colours,
) {
  const { x, y } = placeOf(camera, plot);
  context.fillStyle = paper;
  context.globalAlpha = 0.8;
  for (const query of runs.query) {
    for (const key of runs.key) {
      if (shows(query, key)) continue;
      const { start, end } = key;
      context.fillRect(x(start), y(query.start), x(end) - x(start), y(query.end) - y(query.start));
    }
  }
  context.globalAlpha = 0.75;
  context.fillStyle = quiet;
  for (const { start } of runs.query.slice(1)) {
    context.fillRect(plot.left, Math.round(y(start)) - 0.5, plot.width, 1);
  }
  for (const { start } of runs.key.slice(1)) {
    context.fillRect(Math.round(x(start)) - 0.5, plot.top, 1, plot.height);
  }
  context.globalAlpha = 1;
}

/** The row and the column that are looked at, and the cell where they cross. */
export function drawCross(
  context: CanvasRenderingContext2D,
  row: number,
  column: number,
  camera: Camera,
  plot: Plot,
  { accent, looked, ink, paper }: Colours,
) {
  const { x, y } = placeOf(camera, plot);
  const thick = Math.max(1.5, camera.cell);
  const band = (colour: string, left: number, top: number, width: number, height: number) => {
    context.fillStyle = context.strokeStyle = colour;
    context.globalAlpha = camera.cell < 4 ? 0.5 : 0.13;
    context.fillRect(left, top, width, height);
    if (camera.cell < 4) return;
    context.globalAlpha = 0.8;
    context.lineWidth = 1;
    context.strokeRect(left, top, width, height);
  };
  if (row >= 0) band(accent, plot.left - 1, y(row), plot.width + 2, thick);
  if (column >= 0) band(looked, x(column), plot.top - 1, thick, plot.height + 2);
  context.globalAlpha = 1;
  if (row >= 0 && column >= 0) outline(context, row, column, camera, plot, ink, paper);
}

/** A frame around one cell, at least so large that it is seen. */
export function outline(
  context: CanvasRenderingContext2D,
  row: number,
  column: number,
  camera: Camera,
  plot: Plot,
  ink: string,
  paper: string,
) {
  const { x, y } = placeOf(camera, plot);
  const side = Math.max(5, camera.cell);
  const shift = (camera.cell - side) / 2;
  const [left, top] = [x(column) + shift, y(row) + shift];
  context.lineWidth = 1;
  context.strokeStyle = paper;
  context.strokeRect(left - 2.5, top - 2.5, side + 5, side + 5);
  context.lineWidth = 2;
  context.strokeStyle = ink;
  context.strokeRect(left - 1, top - 1, side + 2, side + 2);
}
