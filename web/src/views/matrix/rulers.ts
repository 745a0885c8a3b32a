/** What stands around the cells of the matrix: the tokens, the sentences, and a bar for each row and column. */

import type { Margins } from "../../model/pyramid";
import { runsOf } from "../../model/piece";
import type { Token } from "../../model/trace";
import type { Camera, Plot } from "./camera";

/** The colours of the page, by their names in theme.css. */
export type Colours = Record<
  "paper" | "raised" | "ink" | "soft" | "quiet" | "hair" | "accent" | "accent-soft" | "looked" | "looked-soft",
  string
>;

export const TYPE = 12.5;
/** Column labels rise at this angle. */
export const SLANT = (50 * Math.PI) / 180;
/** From the cells to the labels, and from the cells to the bars. */
export const GAP = 7;
export const BAR = 34;

/** One side of the matrix: a row or a column for each of its tokens. */
export interface Edge {
  side: "query" | "key";
  tokens: Token[];
  /** The shown tokens' places in the text, in order. */
  shown: ArrayLike<number>;
  /** Where each sentence starts and ends. */
  runs: Run[];
  /** Pixels between two labels at least; columns need more, as theirs are slanted. */
  apart: number;
  /** The longest a label gets. */
  longest: number;
}

export interface Run {
  segment: number;
  start: number;
  end: number;
}

/** Runs of shown tokens of one sentence. */
export function runsIn(tokens: Token[], shown: ArrayLike<number>): Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < shown.length; at++) {
    const { segment } = tokens[shown[at]];
    const last = runs[runs.length - 1];
    if (last?.segment === segment) last.end = at + 1;
    else runs.push({ segment, start: at, end: at + 1 });
  }
  return runs;
}

/** How many tokens from one label to the next, when each takes `room` pixels: 1, 2, 5, 10, 20, 50, … */
export function labelStep(cell: number, room: number): number {
  for (let step = 1; ; step *= 10) {
    for (const times of [1, 2, 5]) if (step * times * cell >= room) return step * times;
  }
}

// ---- labels -------------------------------------------------------------------------------

/** A piece as canvases write it. */
interface Label {
  parts: { text: string; quiet: boolean; join: boolean; width: number }[];
  width: number;
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** Measures and draws the tokens' pieces, in one font. */
export class Labels {
  private readonly known = new Map<string, Label>();
  private readonly measure = document.createElement("canvas").getContext("2d")!;

  constructor(
    private readonly family: string,
    /** The widest a label may be. */
    private readonly most: number,
  ) {}

  /** The width that the widest of some tokens needs. */
  widest(tokens: Token[], shown: ArrayLike<number>): number {
    const step = Math.max(1, shown.length / 400);
    let most = 0;
    for (let at = 0; at < shown.length; at += step) {
      most = Math.max(most, this.of(tokens[shown[Math.floor(at)]], null, false).width);
    }
    return most;
  }

  /** `number` is the token's place, where not each token has a label. */
  of({ piece }: Token, number: number | null, strong: boolean): Label {
    const key = `${strong} ${number} ${piece}`;
    let label = this.known.get(key);
    if (!label) {
      if (this.known.size > 4000) this.known.clear();
      this.known.set(key, (label = this.make(piece, number, strong)));
    }
    return label;
  }

  private make(piece: string, number: number | null, strong: boolean): Label {
    const label: Label = { parts: [], width: 0 };
    const add = (text: string, quiet: boolean, join = false) => {
      this.measure.font = this.font(strong && !quiet);
      const width = join ? TYPE * 0.62 : this.measure.measureText(text).width;
      label.parts.push({ text, quiet, join, width });
      label.width += width;
    };
    if (number !== null) add(`${number} `, true);
    const runs = runsOf(piece);
    // Letters that run from the right have what comes first at the right.
    if (runs.some(({ text }) => RIGHT_TO_LEFT.test(text))) runs.reverse();
    for (const { text, as } of runs) {
      if (label.width >= this.most - TYPE) break;
      add(as === "text" ? this.cut(text, this.most - label.width) : text, as !== "text", as === "join");
    }
    return label;
  }

  private cut(text: string, most: number): string {
    this.measure.font = this.font(false);
    if (this.measure.measureText(text).width <= most) return text;
    const characters = [...text];
    while (characters.length > 1 && this.measure.measureText(`${characters.join("")}…`).width > most) {
      characters.pop();
    }
    return `${characters.join("")}…`;
  }

  font(strong: boolean): string {
    return `${strong ? 650 : 400} ${TYPE}px ${this.family}`;
  }

  /** Draws a label from the origin of `context` on, in the middle of the line. */
  draw(context: CanvasRenderingContext2D, { parts }: Label, ink: string, quiet: string, strong = false) {
    context.textBaseline = "middle";
    context.textAlign = "left";
    let x = 0;
    for (const part of parts) {
      context.font = this.font(strong && !part.quiet);
      if (part.join) {
        context.strokeStyle = quiet;
        context.lineWidth = 1.2;
        context.beginPath();
        context.arc(x + part.width * 0.42, -0.5, part.width * 0.36, 0.15, Math.PI - 0.15);
        context.stroke();
      } else {
        context.fillStyle = part.quiet ? quiet : ink;
        context.fillText(part.text, x, 0);
      }
      x += part.width;
    }
  }
}

/** The middle of a row or a column on screen, or null when it is out of sight. */
export function middleOf(side: Edge["side"], at: number, camera: Camera, plot: Plot): number | null {
  const [from, start, length] = spanOf(side, camera, plot);
  const middle = start + (at + 0.5 - from) * camera.cell;
  return middle >= start && middle <= start + length ? middle : null;
}

/** The first row or column in sight, and where the cells start and how far they go on screen. */
function spanOf(side: Edge["side"], camera: Camera, plot: Plot): [from: number, start: number, length: number] {
  return side === "query" ? [camera.row, plot.top, plot.height] : [camera.column, plot.left, plot.width];
}

/** Calls `visit` for each row or column in sight, `step` apart, with the place of its middle on screen. */
function eachSeen(
  { side, shown }: Edge,
  camera: Camera,
  plot: Plot,
  step: number,
  visit: (at: number, middle: number) => void,
) {
  const [from, , length] = spanOf(side, camera, plot);
  const last = Math.min(shown.length, from + length / camera.cell);
  for (let at = Math.ceil(from / step) * step; at < last; at += step) {
    const middle = middleOf(side, at, camera, plot);
    if (middle !== null) visit(at, middle);
  }
}

/** Where most tokens go without a label, the others say their place. */
function numberOf({ shown }: Edge, at: number, step: number): number | null {
  return step > 2 ? shown[at] : null;
}

export function drawLabels(
  context: CanvasRenderingContext2D,
  edge: Edge,
  labels: Labels,
  camera: Camera,
  plot: Plot,
  colours: Colours,
) {
  const step = labelStep(camera.cell, edge.apart);
  eachSeen(edge, camera, plot, step, (at, middle) => {
    const token = edge.tokens[edge.shown[at]];
    const label = labels.of(token, numberOf(edge, at, step), false);
    const ink = token.special ? colours.quiet : edge.side === "query" ? colours.ink : colours.soft;
    context.save();
    toLabel(context, edge.side, middle, label.width, plot);
    labels.draw(context, label, ink, colours.quiet);
    context.restore();
  });
}

/** One label on a coloured ground, over those drawn before: the row or the column that is looked at. */
export function drawActiveLabel(
  context: CanvasRenderingContext2D,
  edge: Edge,
  at: number,
  labels: Labels,
  camera: Camera,
  plot: Plot,
  colours: Colours,
) {
  const step = labelStep(camera.cell, edge.apart);
  const middle = middleOf(edge.side, at, camera, plot);
  if (middle !== null) {
    const label = labels.of(edge.tokens[edge.shown[at]], numberOf(edge, at, step), true);
    context.save();
    toLabel(context, edge.side, middle, label.width, plot);
    // What it covers in part, it covers whole.
    context.fillStyle = colours.paper;
    context.fillRect(edge.side === "query" ? label.width - edge.longest : 0, -8, edge.longest, 16);
    context.fillStyle = edge.side === "query" ? colours["accent-soft"] : colours["looked-soft"];
    context.beginPath();
    context.roundRect(-5, -9, label.width + 10, 18, 5);
    context.fill();
    labels.draw(context, label, colours.ink, colours.soft, true);
    context.restore();
  }
}

function toLabel(
  context: CanvasRenderingContext2D,
  side: Edge["side"],
  middle: number,
  width: number,
  plot: Plot,
) {
  if (side === "query") {
    context.translate(plot.left - GAP - 2 - width, middle + 0.5);
  } else {
    context.translate(middle, plot.top - GAP);
    context.rotate(-SLANT);
    context.translate(2, 0);
  }
}

// ---- sentences ----------------------------------------------------------------------------

/** A bracket with a letter for each sentence: outside the row labels, and under the bars of the columns. */
export function drawBrackets(
  context: CanvasRenderingContext2D,
  { side, runs }: Edge,
  /** Where the bracket's back is: x for rows, y for columns. */
  back: number,
  camera: Camera,
  plot: Plot,
  colours: Colours,
  family: string,
) {
  if (runs.length < 2) return;
  const [from, start, length] = spanOf(side, camera, plot);
  context.strokeStyle = context.fillStyle = colours.quiet;
  context.lineWidth = 1;
  context.font = `400 ${TYPE}px ${family}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const run of runs) {
    const [first, last] = [run.start, run.end].map((at) => start + (at - from) * camera.cell);
    const [low, high] = [Math.max(start, first + 2), Math.min(start + length, last - 2)];
    if (high - low < 4) continue;
    const letter = "AB"[run.segment] ?? String(run.segment);
    const point = (along: number, across: number): [number, number] =>
      side === "query" ? [back + across, along] : [along, back - across];
    context.globalAlpha = 0.7;
    context.beginPath();
    if (first >= start) context.moveTo(...point(low, 6));
    context.lineTo(...point(low, 0));
    context.lineTo(...point(high, 0));
    if (last <= start + length + 1) context.lineTo(...point(high, 6));
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(letter, ...point((low + high) / 2, -9));
  }
}

// ---- bars ---------------------------------------------------------------------------------

/** A bar for each row, to the right of the cells, or for each column, under them. */
export function drawBars(
  context: CanvasRenderingContext2D,
  { side, shown }: Edge,
  margins: Margins,
  camera: Camera,
  plot: Plot,
  colours: Colours,
) {
  const rows = side === "query";
  const [values, most] = rows ? [margins.ofRows, margins.mostOfRows] : [margins.ofColumns, margins.mostOfColumns];
  const [from, start, length] = spanOf(side, camera, plot);
  const base = (rows ? plot.left + plot.width : plot.top + plot.height) + GAP;
  // Of several rows or columns on one pixel the longest bar is seen.
  const apart = Math.max(1, Math.round(1 / camera.cell));
  const thick = Math.max(1, camera.cell * apart - (camera.cell >= 4 ? 1 : 0));
  context.fillStyle = rows ? colours.accent : colours.looked;
  context.globalAlpha = 0.85;
  const first = Math.floor(from / apart) * apart;
  for (let at = first; at < Math.min(shown.length, from + length / camera.cell); at += apart) {
    let value = 0;
    for (let i = at; i < Math.min(shown.length, at + apart); i++) value = Math.max(value, values[i]);
    const bar = most > 0 ? Math.max(0.5, (value / most) * BAR) : 0;
    const place = start + (at - from) * camera.cell;
    const low = Math.max(start, place);
    const high = Math.min(start + length, place + thick);
    if (high <= low) continue;
    if (rows) context.fillRect(base, low, bar, high - low);
    else context.fillRect(low, base, high - low, bar);
  }
  context.globalAlpha = 1;
}
