/** Draws attention as curves: the more weight, the wider and the more opaque. */

import { finderIn } from "../model/measure";
import type { Layout } from "./layout";

export interface Ink {
  colour: string;
  dashed: boolean;
}

/** The weights of one head, and how its curves look. */
export interface Layer {
  weights: Float32Array;
  ink: Ink;
}

export interface Scale {
  /** The weight drawn strongest. */
  top: number;
  sqrt: boolean;
}

/** Edges to draw, weakest first. Strengths are from 0 to 1 on the scale. */
export interface Edges {
  query: Uint32Array;
  key: Uint32Array;
  layer: Uint8Array;
  strength: Float32Array;
  count: number;
  /** The least weight drawn. */
  least: number;
}

/** Fainter curves cannot be seen on either paper. */
const FAINTEST = 0.035;
/** A curve that climbs further than this, in CSS pixels, spreads its ink over its length. */
const LONG_CLIMB = 700;
/** More curves than this are a haze, and slow. */
const MOST_CURVES = 5000;
const BINS = 256;

export function strengthOf(weight: number, { top, sqrt }: Scale): number {
  const share = Math.min(1, weight / top);
  return sqrt ? Math.sqrt(share) : share;
}

function weightOf(strength: number, { top, sqrt }: Scale): number {
  return (sqrt ? strength * strength : strength) * top;
}

/** The edges worth drawing among shown tokens, found and sorted in two passes over the weights. */
export function visibleEdges(
  layers: Layer[],
  { shown }: Layout,
  n: number, // keys
  scale: Scale,
  shows: (query: number, key: number) => boolean,
): Edges {
  const bins = new Uint32Array(BINS + 1);
  const hasRow = new Uint8Array(n);
  for (const key of shown.key) hasRow[key] = 1;
  const each = (
    faintest: number,
    visit: (query: number, key: number, layer: number, strength: number, bin: number) => void,
  ) => {
    const least = weightOf(faintest, scale);
    layers.forEach(({ weights }, layer) => {
      const find = finderIn(weights);
      for (const query of shown.query) {
        const end = (query + 1) * n;
        for (let at = query * n; (at = find(at, end, least)) < end; at++) {
          const key = at - query * n;
          if (!hasRow[key] || !shows(query, key)) continue;
          const strength = strengthOf(weights[at], scale);
          visit(query, key, layer, strength, Math.min(BINS - 1, Math.floor(strength * BINS)));
        }
      }
    });
  };
  each(FAINTEST, (_query, _key, _layer, _strength, bin) => bins[bin]++);

  let first = BINS;
  let count = 0;
  while (first > 0 && count + bins[first - 1] <= MOST_CURVES) count += bins[--first];
  const starts = new Uint32Array(BINS);
  for (let bin = first, start = 0; bin < BINS; bin++) {
    starts[bin] = start;
    start += bins[bin];
  }
  const edges: Edges = {
    query: new Uint32Array(count),
    key: new Uint32Array(count),
    layer: new Uint8Array(count),
    strength: new Float32Array(count),
    count,
    least: weightOf(Math.max(FAINTEST, first / BINS), scale),
  };
  each(Math.max(FAINTEST, (first - 0.5) / BINS), (query, key, layer, strength, bin) => {
    if (bin < first) return;
    const at = starts[bin]++;
    edges.query[at] = query;
    edges.key[at] = key;
    edges.layer[at] = layer;
    edges.strength[at] = strength;
  });
  return edges;
}

/**
 * Strokes the edges that cross the band of the picture from `top` to `bottom`. Without the thinning of
 * long curves, a token that a long text attends to would bury everything else under its own.
 */
export function paintEdges(
  context: CanvasRenderingContext2D,
  edges: Edges,
  layers: Layer[],
  layout: Layout,
  top: number,
  bottom: number,
): void {
  const { middle } = layout;
  for (let i = 0; i < edges.count; i++) {
    const from = middle.query[edges.query[i]];
    const to = middle.key[edges.key[i]];
    if (Math.max(from, to) < top || Math.min(from, to) > bottom) continue;
    const layer = edges.layer[i];
    const shift = spread(layer, layers.length, layout.rowHeight);
    const thinned = edges.strength[i] * Math.min(1, LONG_CLIMB / Math.abs(from - to));
    strokeEdge(context, layout, from + shift, to + shift, thinned, layers[layer].ink);
  }
}

/** Width follows the strength, opacity a little more steeply: a hundred weak curves must not veil a strong one. */
export function looksOf(strength: number, rowHeight: number): { alpha: number; width: number } {
  const full = Math.min(5, rowHeight * 0.15);
  return { alpha: 0.04 + 0.89 * strength ** 1.3, width: 0.6 + (full - 0.6) * strength };
}

/** One curve from the left column to the right one. */
export function strokeEdge(
  context: CanvasRenderingContext2D,
  { curves: [left, right], rowHeight }: Layout,
  from: number,
  to: number,
  strength: number,
  { colour, dashed }: Ink,
): void {
  const bend = (right - left) * 0.45;
  const { alpha, width } = looksOf(strength, rowHeight);
  context.strokeStyle = colour;
  context.globalAlpha = alpha;
  context.lineWidth = width;
  context.setLineDash(dashed ? [7, 5] : []);
  context.beginPath();
  context.moveTo(left, from);
  context.bezierCurveTo(left + bend, from, right - bend, to, right, to);
  context.stroke();
}

/** How far the curves of one of several heads keep from the middle of the row. */
export function spread(layer: number, layers: number, rowHeight: number): number {
  const gap = Math.min(3.5, (rowHeight * 0.6) / layers);
  return (layer - (layers - 1) / 2) * gap;
}

/** A canvas of `width` by `height` CSS pixels, cleared, with a context that draws in them. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.lineCap = "round";
  return context;
}
