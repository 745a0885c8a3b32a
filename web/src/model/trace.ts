/** What the page knows about a run: the model, the tokens, and an overview of every head. */

import { type PatchImage, readImage } from "./image";
import { Safetensors } from "./safetensors";

export interface Card {
  id: string;
  family: string;
  dtype: string;
  revision: string | null;
  kernel: string;
  /** None where no row sums to 1, as with a learned sink. */
  row_sum_error: number | null;
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
  /** Of a token that pieces were joined to: the first of them. */
  firstPiece?: number;
}

/** A text with its tokens. */
export interface Text {
  tokens: Token[];
  /** The bytes of the whole text, which spans count. */
  bytes: Uint8Array;
}

/** What attends to what: a text to itself, or a target to a text. */
export interface Sides {
  queries: Token[];
  keys: Token[];
}

/** Which attention of a model; `only` where there is one stack. */
export type PartKey = "only" | "encoder" | "decoder" | "cross";

/** Heads that belong together: their layers, and what all of them attend to. */
export interface Part extends Sides {
  key: PartKey;
  /** Its name for readers; empty where there is one stack. */
  label: string;
  /** Its layers, as places in `blocks`. */
  layers: number[];
  /** How many heads its widest layer has. */
  heads: number;
}

/** What the distance of two tokens adds to their score. */
export type ByDistance =
  | { alibi: { slopes: number[] } }
  | { buckets: { table: number[][]; max_distance: number; two_sided: boolean } };

export type Position = ByDistance | { disentangled: { queries_meet: boolean; keys_meet: boolean } };

export type Mask = "full" | "causal" | { window: number } | { causal_window: number };

export interface Rule {
  site: string;
  scale: number;
  mask: Mask;
  soft_cap: number | null;
  position?: Position;
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
  /** The texts as they were given: one, a pair, or a text and its target. */
  texts: string[];
  /** What the model read, or of two stacks the encoder. */
  source: Text;
  /** What the decoder of two stacks read. */
  target: Text | null;
  /** What a model that sees was given; its patches are tokens. */
  image: PatchImage | null;
  /** One, or encoder, decoder and what is between them, as far as they were recorded. */
  parts: Part[];
  /** The rule of each layer shown. */
  rules: Rule[];
  /** The sites of the layers shown, such as `blocks.3.attn`; not every layer need be recorded. */
  blocks: string[];
  layers: number;
  heads: number;
  metrics: Metric[];
  /** [metrics, layers, heads]; NaN where a metric does not apply. */
  metricValues: Float32Array;
  /**
   * [layers, heads, side, side]; 255 is a weight of 1, on a square-root scale. A thumbnail fills its square
   * from the upper left, as far as its texts reach.
   */
  atlas: Uint8Array;
  side: number;
  /** The model's own numbers of the heads, where not all were kept. */
  headNumbers: number[] | null;
  /** By the place of a token; empty where nobody asked. */
  predictions: Map<number, Prediction>;
  /** How many tokens were given, where the model wrote the rest. */
  prompt: number | null;
  /** What scores are made of that this page does without, for its size. */
  leftOut: string[];
  tracedMs: number | null;
  /** How far the page's weights may be from the model's, where it carries fewer digits; as text. */
  weightsWithin: string | null;
}

export function readTrace(file: Safetensors): Trace {
  const { metadata } = file;
  const [layers, heads, side] = file.shape("atlas");
  const source = readText(json(metadata, "encoding"));
  const target = "target" in metadata ? readText(json(metadata, "target")) : null;
  const blocks: string[] = json(metadata, "blocks");
  const rules: Rule[] = json(metadata, "rules");
  const shown = blocks.map((site) => rules.find((rule) => rule.site === site)!);
  return {
    card: json(metadata, "card"),
    texts: [...source.texts, ...(target?.texts ?? [])],
    source,
    target,
    image: readImage(file),
    parts: partsOf(shown, source.tokens, target?.tokens ?? source.tokens),
    rules: shown,
    blocks,
    layers,
    heads,
    metrics: json(metadata, "metrics"),
    metricValues: file.f32("metrics"),
    atlas: file.u8("atlas"),
    side,
    headNumbers: JSON.parse(metadata.heads ?? "null"),
    predictions: readPredictions(metadata.predictions ?? "[]"),
    prompt: metadata.prompt ? Number(metadata.prompt) : null,
    weightsWithin: metadata.weights_within ?? null,
    leftOut: JSON.parse(metadata.left_out ?? "[]"),
    tracedMs: metadata.traced_ms ? Number(metadata.traced_ms) : null,
  };
}

function readText(encoding: { text: string; parts: [number, number][]; tokens: Token[] }) {
  const bytes = new TextEncoder().encode(encoding.text);
  const texts = encoding.parts.map(([start, end]) => decode(bytes, start, end));
  return { tokens: encoding.tokens, bytes, texts };
}

const LABELS: Record<PartKey, string> = {
  only: "",
  encoder: "Encoder",
  decoder: "Decoder",
  cross: "Cross",
};

/** The parts that some layers make, in the order of a pass. */
export function partsOf(rules: Rule[], source: Token[], target: Token[]): Part[] {
  return (Object.keys(LABELS) as PartKey[]).flatMap((key) => {
    const layers = rules.flatMap(({ site }, layer) => (partKey(site) === key ? [layer] : []));
    if (layers.length === 0) return [];
    const reads = (stack: boolean) => (stack ? target : source);
    const heads = Math.max(...layers.map((layer) => rules[layer].query_heads));
    const queries = reads(key === "decoder" || key === "cross");
    return [{ key, label: LABELS[key], layers, heads, queries, keys: reads(key === "decoder") }];
  });
}

function partKey(site: string): PartKey {
  if (site.endsWith(".cross_attn")) return "cross";
  if (site.startsWith("encoder.")) return "encoder";
  return site.startsWith("decoder.") ? "decoder" : "only";
}

/** Of `count` heads that others share, the one that `head` uses. */
export function sharedHead({ query_heads }: Rule, head: number, count: number): number {
  return Math.floor((head * count) / query_heads);
}

/** The part that a layer belongs to. */
export function partAt({ parts }: Pick<Trace, "parts">, layer: number): Part {
  return parts.find(({ layers }) => layers.includes(layer)) ?? parts[0];
}

/** The tokens that a model continues when it writes: what the decoder reads, or the text. */
export function writtenTokens({ source, target }: Trace): Token[] {
  return (target ?? source).tokens;
}

/** Whether what attends is what is attended to. */
export function isSelf({ queries, keys }: Sides): boolean {
  return queries === keys;
}

function readPredictions(text: string): Map<number, Prediction> {
  const predictions: Prediction[] = JSON.parse(text);
  return new Map(predictions.map((one) => [one.position, { ...one, probability: one.probability ?? null }]));
}

/** The value of one metric for one head. */
export function metricOf(trace: Trace, metric: number, { layer, head }: HeadId): number {
  return trace.metricValues[(metric * trace.layers + layer) * trace.heads + head];
}

/** All heads of a part, by layer and then by head. */
export function allHeads({ layers, heads }: Part): HeadId[] {
  return layers.flatMap((layer) => Array.from({ length: heads }, (_, head) => ({ layer, head })));
}

/** All heads of a part, those with the highest value of `metric` first. */
export function headsBy(trace: Trace, part: Part, metric: number): HeadId[] {
  const value = (id: HeadId) => {
    const own = metricOf(trace, metric, id);
    return Number.isNaN(own) ? Number.NEGATIVE_INFINITY : own;
  };
  return allHeads(part).sort((a, b) => value(b) - value(a) || 0);
}

/** All heads of a part in the order of a state: "layer", or a metric's key; with that metric's place, or -1. */
export function headsInOrder(trace: Trace, part: Part, order: string): { heads: HeadId[]; metric: number } {
  const metric = trace.metrics.findIndex(({ key }) => key === order);
  return { heads: metric < 0 ? allHeads(part) : headsBy(trace, part, metric), metric };
}

export function sameHead(a: HeadId, b: HeadId): boolean {
  return a.layer === b.layer && a.head === b.head;
}

/** A layer's own number, in its stack. */
export function layerName({ blocks }: Trace, layer: number): string {
  return /blocks\.(\d+)\.(?:cross_)?attn$/.exec(blocks[layer])?.[1] ?? blocks[layer];
}

/** A head's own number, in its layer. */
export function headNumber({ headNumbers }: Trace, head: number): number {
  return headNumbers?.[head] ?? head;
}

/** Short, as on chips. */
export function headName(trace: Trace, { layer, head }: HeadId): string {
  return `${layerName(trace, layer)}·${headNumber(trace, head)}`;
}

/** In full, as in titles. */
export function headTitle(trace: Trace, { layer, head }: HeadId): string {
  const { label } = partAt(trace, layer);
  return `${label ? `${label} layer` : "Layer"} ${layerName(trace, layer)}, head ${headNumber(trace, head)}`;
}

/** The text that a token stands for, or null. Spans count UTF-8 bytes, strings UTF-16 units. */
export function spanText({ bytes }: Text, { span }: Token): string | null {
  return span && decode(bytes, span[0], span[1]);
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(start, end));
}

function json(metadata: Record<string, string>, key: string) {
  if (!(key in metadata)) throw new Error(`view data: no ${key} in the metadata`);
  return JSON.parse(metadata[key]);
}
