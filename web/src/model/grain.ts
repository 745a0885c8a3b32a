/** Pieces joined into words or sentences: a coarser view of the same weights. */

import type { Part, Text, Token, Trace } from "./trace";

export const GRAINS = ["pieces", "words", "sentences"] as const;
export type Grain = (typeof GRAINS)[number];

/** Tokens of a coarser grain, and how they come from pieces. */
interface Joined {
  tokens: Token[];
  /** Of each piece, the token it is part of. */
  home: Uint32Array;
}

const joinedTexts = new WeakMap<Text, Map<Grain, Joined>>();
const joinedParts = new WeakMap<Part, Map<Grain, Part>>();

/** `part` with tokens of `grain`; the same object each time, as views compare it. */
export function partOfGrain(trace: Trace, part: Part, grain: Grain): Part {
  if (grain === "pieces") return part;
  const known = joinedParts.get(part) ?? new Map<Grain, Part>();
  joinedParts.set(part, known);
  if (!known.has(grain)) {
    const { queries, keys } = part;
    known.set(grain, {
      ...part,
      queries: joined(textOf(trace, queries), grain).tokens,
      keys: joined(textOf(trace, keys), grain).tokens,
    });
  }
  return known.get(grain)!;
}

/** The token of grain `to` that a token of grain `from` is part of, or begins with. */
export function regrain(text: Text, index: number | null, from: Grain, to: Grain): number | null {
  if (index === null || from === to) return index;
  const piece = from === "pieces" ? index : joined(text, from).tokens[index]?.firstPiece;
  if (piece === undefined) return null;
  return (to === "pieces" ? piece : joined(text, to).home[piece]) ?? null;
}

/** The text that some tokens are of. */
export function textOf({ source, target }: Trace, tokens: Token[]): Text {
  return target !== null && tokens === target.tokens ? target : source;
}

/**
 * A head's weights from token to token of a coarser grain: what a token looks at is the mean over its
 * pieces, what it is looked at the sum. Rows that add up to 1 still do.
 */
export function joinPattern(pattern: Float32Array, queries: Text, keys: Text, grain: Grain): Float32Array {
  if (grain === "pieces") return pattern;
  const [rows, columns] = [joined(queries, grain), joined(keys, grain)];
  const n = keys.tokens.length;
  const width = columns.tokens.length;
  const weights = new Float32Array(rows.tokens.length * width);
  const pieces = new Uint32Array(rows.tokens.length);
  for (const row of rows.home) pieces[row]++;
  const sums = new Float64Array(width);
  for (let query = 0; query < rows.home.length; query++) {
    const row = rows.home[query];
    for (let key = 0; key < n; key++) sums[columns.home[key]] += pattern[query * n + key];
    const isLast = rows.home[query + 1] !== row;
    if (!isLast) continue;
    for (let column = 0; column < width; column++) weights[row * width + column] = sums[column] / pieces[row];
    sums.fill(0);
  }
  return weights;
}

function joined(text: Text, grain: Grain): Joined {
  const known = joinedTexts.get(text) ?? new Map<Grain, Joined>();
  joinedTexts.set(text, known);
  if (!known.has(grain)) known.set(grain, join(text, grain === "sentences" ? "sentence" : "word"));
  return known.get(grain)!;
}

/** Joins neighbouring pieces that lie in one segment of the text. Added tokens stay as they are. */
function join({ tokens, bytes }: Text, granularity: "word" | "sentence"): Joined {
  const starts = segmentStarts(bytes, granularity);
  const joined: Joined = { tokens: [], home: new Uint32Array(tokens.length) };
  let [last, lastPlace]: [Token | null, number] = [null, -1];
  tokens.forEach((token, piece) => {
    const place = token.special || token.span === null ? -1 : placeOf(starts, firstInk(bytes, token.span));
    if (last !== null && place >= 0 && place === lastPlace && token.segment === last.segment) {
      last.span = [last.span![0], Math.max(last.span![1], token.span![1])];
      last.piece = written(bytes, last.span);
      last.mask ||= token.mask;
    } else {
      last = { ...token, firstPiece: piece };
      if (place >= 0) last.piece = written(bytes, token.span!) || token.piece;
      joined.tokens.push(last);
    }
    joined.home[piece] = joined.tokens.length - 1;
    lastPlace = place;
  });
  return joined;
}

/** Where the words or sentences of a text begin, in bytes. Languages without spaces have words too. */
function segmentStarts(bytes: Uint8Array, granularity: "word" | "sentence"): number[] {
  const text = new TextDecoder().decode(bytes);
  const encoder = new TextEncoder();
  let at = 0;
  return [...new Intl.Segmenter(undefined, { granularity }).segment(text)].map(({ segment }) => {
    const start = at;
    at += encoder.encode(segment).length;
    return start;
  });
}

/** The last of `starts` that is not behind `at`, as a place. */
function placeOf(starts: number[], at: number): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The first byte of a span that is no space: pieces often begin with the space before their word. */
function firstInk(bytes: Uint8Array, [start, end]: [number, number]): number {
  for (let at = start; at < end; at++) if (bytes[at] > 0x20) return at;
  return start;
}

function written(bytes: Uint8Array, [start, end]: [number, number]): string {
  return new TextDecoder().decode(bytes.subarray(start, end)).trim();
}
