/** Draws the matrix view: what stands still, and over it what is looked at. */

import { sees, weightAt } from "../../model/pyramid";
import { activeSlice } from "../../picture";
import type { Session } from "../../session";
import { prepare } from "../paint";
import type { Camera } from "./camera";
import { drawCross, drawSentences, outline, partCells, placeOf, WRITTEN, writeWeights } from "./cells";
import { exact, exactDifference } from "./exact";
import { BAR, drawActiveLabel, drawBars, drawBrackets, drawLabels, GAP } from "./rulers";
import type { Scene } from "./scene";
import type { Tiles } from "./tiles";

/** Everything that stands still while the pointer moves. Whether all of it could be drawn in time. */
export function drawBase(
  canvas: HTMLCanvasElement,
  scene: Scene,
  tiles: Tiles,
  ramp: Uint32Array,
  dark: boolean,
  camera: Camera,
  pause: () => boolean,
): boolean {
  const { size, plot, extent, rows, columns, labels, colours, margins, family, grid, scale, shows } = scene;
  const context = prepare(canvas, size.width, size.height);
  context.save();
  context.beginPath();
  context.rect(plot.left, plot.top, plot.width, plot.height);
  context.clip();
  const { a: ratio } = context.getTransform();
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.imageSmoothingEnabled = false;
  const complete = tiles.paint(context, camera, plot, ratio, pause);
  context.restore();
  partCells(context, camera, extent, plot, colours);
  writeWeights(context, grid, camera, extent, plot, scale, ramp, dark, family);
  const runs = { query: rows.runs, key: columns.runs };
  const inFlow = (query: { start: number }, key: { start: number }) =>
    shows(grid.queries[query.start], grid.keys[key.start]);
  drawSentences(context, runs, inFlow, camera, plot, colours);
  context.restore();

  drawLabels(context, rows, labels, camera, plot, colours);
  drawLabels(context, columns, labels, camera, plot, colours);
  drawBrackets(context, rows, scene.bracket, camera, plot, colours, family);
  drawBrackets(context, columns, plot.top + plot.height + GAP + BAR + 9, camera, plot, colours, family);
  if (!margins.done) margins.advance(pause);
  if (margins.done) {
    drawBars(context, rows, margins, camera, plot, colours);
    drawBars(context, columns, margins, camera, plot, colours);
  }
  writeNames(context, scene);
  return complete && margins.done;
}

/** What the sides and the bars are, in the corners. */
function writeNames(context: CanvasRenderingContext2D, { plot, colours, margins, family, grid }: Scene) {
  const [right, bottom] = [plot.left + plot.width + GAP, plot.top + plot.height + GAP];
  const left = plot.left - GAP - 2;
  const write = (words: string, x: number, y: number) => context.fillText(words, x, y);
  context.font = `400 11px ${family}`;
  context.fillStyle = colours.quiet;
  context.textBaseline = "middle";
  context.textAlign = "right";
  write("keys →", left, plot.top - 28);
  write("queries ↓", left, plot.top - 14);
  if (!margins.done) return;
  write(grid.signed ? "mean |Δ|" : "mean received", left, bottom + 6);
  write(`max ${margins.mostOfColumns.toPrecision(2)}`, left, bottom + 20);
  context.textAlign = "left";
  write(grid.signed ? "apart" : "entropy", right, bottom + 6);
  write(`max ${margins.mostOfRows.toFixed(2)}`, right, bottom + 20);
  if (!grid.signed) write("nats", right, bottom + 34);
}

/** What is looked at: under the pointer, or else pinned. */
export function drawOver(canvas: HTMLCanvasElement, scene: Scene, camera: Camera, session: Session) {
  const { size, plot, rows, columns, labels, colours, grid, family } = scene;
  const context = prepare(canvas, size.width, size.height);
  const hover = session.hover.value;
  const { focus } = session.state.value;
  const slice = activeSlice(hover, focus);
  const row = scene.rowOf(slice?.query ?? null);
  const column = scene.columnOf(slice?.key ?? null);
  const [pinnedRow, pinnedColumn] = [scene.rowOf(focus.query), scene.columnOf(focus.key)];
  context.save();
  context.beginPath();
  context.rect(plot.left - 3, plot.top - 3, plot.width + 6, plot.height + 6);
  context.clip();
  drawCross(context, row, column, camera, plot, colours);
  if (hover && pinnedRow >= 0 && pinnedColumn >= 0) {
    outline(context, pinnedRow, pinnedColumn, camera, plot, colours.soft, colours.paper);
  }
  context.restore();
  if (row >= 0) drawActiveLabel(context, rows, row, labels, camera, plot, colours);
  if (column >= 0) drawActiveLabel(context, columns, column, labels, camera, plot, colours);
  if (row < 0 || column < 0 || camera.cell >= WRITTEN || !sees(grid, row, column)) return;

  // The number by the cell, on the side where there is room.
  const { x, y } = placeOf(camera, plot);
  const [left, top] = [x(column + 0.5), y(row + 0.5)];
  const text = (grid.signed ? exactDifference : exact)(weightAt(grid, row, column));
  context.font = `600 12.5px ${family}`;
  const width = context.measureText(text).width + 14;
  const away = camera.cell / 2 + 10;
  const tag = {
    x: left + away + width > plot.left + plot.width ? left - away - width : left + away,
    y: top - away - 22 < plot.top ? top + away : top - away - 22,
  };
  context.fillStyle = colours.raised;
  context.strokeStyle = colours.quiet;
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(tag.x, tag.y, width, 22, 6);
  context.fill();
  context.stroke();
  context.fillStyle = colours.ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, tag.x + 7, tag.y + 11.5);
}
