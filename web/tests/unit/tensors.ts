/** Tiny synthetic data for the unit tests. */

import { type Part, partsOf, type Rule, type Token, type Trace } from "../../src/model/trace";

interface Tensor {
  dtype: "F32" | "U8";
  shape: number[];
  values: ArrayLike<number>;
}

/** The bytes of a safetensors file. */
export function safetensors(metadata: Record<string, string>, tensors: Record<string, Tensor>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    const part = dtype === "F32" ? new Uint8Array(Float32Array.from(values).buffer) : Uint8Array.from(values);
    header[name] = { dtype, shape, data_offsets: [at, at + part.length] };
    parts.push(part);
    at += part.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  let offset = 8 + json.length;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** Tokens of a pair: `[CLS] a b [SEP] c [SEP]` for "a b" and "c". */
export function pair(a: string, b: string): Token[] {
  const words = [
    ["[CLS]", 0],
    ...a.split(" ").map((word) => [word, 0]),
    ["[SEP]", 0],
    ...b.split(" ").map((word) => [word, 1]),
    ["[SEP]", 1],
  ] as [string, number][];
  return words.map(([piece, segment], id) => ({
    id,
    piece,
    segment,
    span: null,
    special: piece.startsWith("["),
    mask: true,
  }));
}

/** A text that attends to itself. */
export function itself(tokens: Token[]): Part {
  return { key: "only", label: "", layers: [0], heads: 1, queries: tokens, keys: tokens };
}

/** Words as tokens, those in brackets special. */
export function words(text: string): Token[] {
  return text.split(" ").map((piece, id) => ({
    id,
    piece,
    segment: 0,
    span: null,
    special: piece.startsWith("["),
    mask: true,
  }));
}

/** The rule of a layer that scales by a half and masks nothing. */
export function rule(site: string, heads: number): Rule {
  return { site, scale: 0.5, mask: "full", soft_cap: null, sink: null, query_heads: heads, key_heads: heads };
}

/** A trace of `layers` by `heads` that has tokens and one metric, and no pattern. */
export function trace(tokens: Token[], layers = 2, heads = 3): Trace {
  const rules = Array.from({ length: layers }, (_, layer) => rule(`blocks.${layer}.attn`, heads));
  return traceOf(rules, tokens, null, heads);
}

/** A trace of two stacks: two layers of the encoder, one of the decoder, which has fewer heads. */
export function traceOfTwo(source: Token[], target: Token[]): Trace {
  const sites = ["encoder.blocks.0.attn", "encoder.blocks.1.attn"];
  const rules = sites.map((site) => rule(site, 3));
  rules.push(rule("decoder.blocks.0.attn", 2), rule("decoder.blocks.0.cross_attn", 2));
  return traceOf(rules, source, target, 3);
}

function traceOf(rules: Rule[], source: Token[], target: Token[] | null, heads: number): Trace {
  const bytes = new Uint8Array();
  const layers = rules.length;
  return {
    card: { id: "tiny", family: "bert", dtype: "f32", revision: null, kernel: "portable", row_sum_error: 0 },
    texts: ["a", "b"],
    source: { tokens: source, bytes },
    target: target && { tokens: target, bytes },
    image: null,
    parts: partsOf(rules, source, target ?? source),
    rules,
    blocks: rules.map(({ site }) => site),
    layers,
    heads,
    metrics: [{ key: "next", label: "next token", about: "", unit: "" }],
    metricValues: Float32Array.from({ length: layers * heads }, (_, i) => i / 10),
    atlas: new Uint8Array(layers * heads),
    side: 1,
    headNumbers: null,
    predictions: new Map(),
    prompt: null,
    weightsWithin: null,
    leftOut: [],
    tracedMs: null,
  };
}

/** Numbers that look random and are the same every time. */
export function noise(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 16807) % 2147483647;
    return (state / 2147483647) * 2 - 1;
  });
}

/** Rows that sum to 1, [n, n]. */
export function randomPattern(n: number, seed = 1): Float32Array {
  const pattern = noise(n * n, seed).map((value) => value + 1.01);
  for (let row = 0; row < n; row++) {
    const weights = pattern.subarray(row * n, (row + 1) * n);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    weights.forEach((weight, i) => (weights[i] = weight / sum));
  }
  return pattern;
}
