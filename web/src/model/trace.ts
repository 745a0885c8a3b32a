/** What the page knows about a run: the model, the tokens, and an overview of every head. */

import { type PatchImage, readImage } from "./image";
import { Safetensors } from "./safetensors";

export interface Card {
  id: string;
  family: string;
  dtype: string;
  revision: string | null;
  kernel: string;
  row_sum_error: number;
}

export interface Token {
  id: number;
  piece: string;
  /** Bytes of the whole text that the token stands for; null for tokens that were added. */
  span: [number, number] | null;
  segment: number;
  special: boolean;
  /** False for padding, which nothing attends to. */
  mask: boolean;
}

export type Mask = "full" | "causal" | { window: number } | { causal_window: number };

export interface Rule {
  site: string;
  scale: number;
  mask: Mask;
  soft_cap: number | null;
  sink: number[] | null;
  query_heads: number;
  key_heads: number;
}

export interface Metric {
  key: string;
  label: string;
  about: string;
  unit: string;
}

/** What the model expected in the place of a token. */
export interface Prediction {
  position: number;
  /** Of the token that stands there; null where that is a mask. */
  probability: number | null;
  /** The likeliest tokens, in order. */
  top: { id: number; piece: string; probability: number }[];
}

export interface HeadId {
  layer: number;
  head: number;
}

export interface Trace {
  card: Card;
  /** The texts as they were given: one, or two. */
  texts: string[];
  tokens: Token[];
  /** What a model that sees was given; its patches are tokens. */
  image: PatchImage | null;
  /** The bytes of the whole text, which spans count. */
  bytes: Uint8Array;
  /** The rule of each layer shown. */
  rules: Rule[];
  /** The sites of the layers shown, such as `blocks.3.attn`; not every layer need be recorded. */
  blocks: string[];
  layers: number;
  heads: number;
  metrics: Metric[];
  /** [metrics, layers, heads]; NaN where a metric does not apply. */
  metricValues: Float32Array;
  /** [layers, heads, side, side]; 255 is a weight of 1, on a square-root scale. */
  atlas: Uint8Array;
  side: number;
  /** By the place of a token; empty where nobody asked. */
  predictions: Map<number, Prediction>;
  /** How many tokens were given, where the model wrote the rest. */
  prompt: number | null;
  tracedMs: number | null;
}

export function readTrace(file: Safetensors): Trace {
  const { metadata } = file;
  const [layers, heads, side] = file.shape("atlas");
  const encoding = json(metadata, "encoding");
  const blocks: string[] = json(metadata, "blocks");
  const rules: Rule[] = json(metadata, "rules");
  const bytes = new TextEncoder().encode(encoding.text);
  return {
    card: json(metadata, "card"),
    texts: encoding.parts.map(([start, end]: [number, number]) => decode(bytes, start, end)),
    tokens: encoding.tokens,
    image: readImage(file),
    bytes,
    rules: blocks.map((site) => rules.find((rule) => rule.site === site)!),
    blocks,
    layers,
    heads,
    metrics: json(metadata, "metrics"),
    metricValues: file.f32("metrics"),
    atlas: file.u8("atlas"),
    side,
    predictions: readPredictions(metadata.predictions ?? "[]"),
    prompt: metadata.prompt ? Number(metadata.prompt) : null,
    tracedMs: metadata.traced_ms ? Number(metadata.traced_ms) : null,
  };
}

function readPredictions(text: string): Map<number, Prediction> {
  const predictions: Prediction[] = JSON.parse(text);
  return new Map(predictions.map((one) => [one.position, { ...one, probability: one.probability ?? null }]));
}

/** The value of one metric for one head. */
export function metricOf(trace: Trace, metric: number, { layer, head }: HeadId): number {
  return trace.metricValues[(metric * trace.layers + layer) * trace.heads + head];
}

/** All heads, by layer and then by head. */
export function allHeads({ layers, heads }: Trace): HeadId[] {
  return Array.from({ length: layers * heads }, (_, i) => ({
    layer: Math.floor(i / heads),
    head: i % heads,
  }));
}

/** All heads, those with the highest value of `metric` first. */
export function headsBy(trace: Trace, metric: number): HeadId[] {
  const value = (id: HeadId) => {
    const own = metricOf(trace, metric, id);
    return Number.isNaN(own) ? Number.NEGATIVE_INFINITY : own;
  };
  return allHeads(trace).sort((a, b) => value(b) - value(a) || 0);
}

export function sameHead(a: HeadId, b: HeadId): boolean {
  return a.layer === b.layer && a.head === b.head;
}

/** A layer's own number, or the site's name where there are several stacks. */
export function layerName({ blocks }: Trace, layer: number): string {
  return /^blocks\.(\d+)\.attn$/.exec(blocks[layer])?.[1] ?? blocks[layer];
}

/** Short, as on chips. */
export function headName(trace: Trace, { layer, head }: HeadId): string {
  return `${layerName(trace, layer)}·${head}`;
}

/** In full, as in titles. */
export function headTitle(trace: Trace, { layer, head }: HeadId): string {
  return `Layer ${layerName(trace, layer)}, head ${head}`;
}

/** The text that a token stands for, or null. Spans count UTF-8 bytes, strings UTF-16 units. */
export function spanText({ bytes }: Trace, { span }: Token): string | null {
  return span && decode(bytes, span[0], span[1]);
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(start, end));
}

function json(metadata: Record<string, string>, key: string) {
  if (!(key in metadata)) throw new Error(`view data: no ${key} in the metadata`);
  return JSON.parse(metadata[key]);
}
