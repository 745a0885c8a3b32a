/** What the stage and the inspector show: the drawn heads' weights, after the switches have had their say. */

import { joinPattern, textOf } from "./model/grain";
import { finderIn, type Flow, flowShare, inFlow, keepStrongest, type Slice, withoutSpecial } from "./model/measure";
import { type HeadId, type Part, partAt, sameHead, type Sides, type Trace } from "./model/trace";
import type { Session, Shown } from "./session";
import { grainOf, partOf, rowsOf, type State } from "./state";
import type { Scale } from "./views/paint";

export interface Picture {
  trace: Trace;
  /** The part that all drawn heads belong to, with the tokens on both sides. */
  part: Part;
  heads: HeadId[];
  /** Index in `heads` of the one in the inspector. */
  focused: number;
  /** As the model computed them, [queries, keys] each; of joined pieces their means and sums. */
  raw: Float32Array[];
  /** As drawn: without special tokens each row is scaled to sum to 1 again; edges left out are 0. */
  weights: Float32Array[];
  /** Whether special tokens were taken out, so that rows were scaled. */
  renormalised: boolean;
  /** How much of the weight of the shown rows that leaves out, from 0 to 1. */
  removed: number;
  /** How much of the weight of the asking sentence the edge filter leaves, from 0 to 1. */
  kept: number;
  /** How much of the weight that is left the strongest edges have, from 0 to 1. */
  strongest: number;
  /** Tokens with a row, on either side. */
  shown: { query: number[]; key: number[] };
  flow: Flow;
  shows: (query: number, key: number) => boolean;
  scale: Scale;
  /** How far off the weights may be, where they have fewer digits than the model's; as text. */
  within: string | null;
}

/** The picture of `state`, or null while a pattern is on its way. */
export function pictureOf(of: Shown, state: State): Picture | null {
  const { trace } = of;
  const patterns = state.heads.map((id) => of.pattern(id));
  if (!patterns.every((pattern) => pattern !== undefined)) return null;
  const pieces = partAt(trace, state.focus.layer);
  const part = partOf(state, trace);
  const [queries, keys] = [textOf(trace, pieces.queries), textOf(trace, pieces.keys)];
  const join = (pattern: Float32Array) => joinPattern(pattern, queries, keys, grainOf(state));
  const hidden = state.special === "hidden" ? patterns.map((pattern) => hide(pattern, pieces)) : null;
  const raw = patterns.map(join);
  const whole = hidden?.map((without) => join(without.weights)) ?? raw;
  const shows = inFlow(state.flow, part);
  const strong =
    state.keep === "all" ? null : whole.map((pattern) => keepStrongest(pattern, part, state.keep, shows));
  const weights = strong?.map((left) => left.weights) ?? whole;
  return {
    trace,
    part,
    heads: state.heads,
    focused: Math.max(
      0,
      state.heads.findIndex((id) => sameHead(id, state.focus)),
    ),
    raw,
    weights,
    renormalised: hidden !== null,
    removed: mean(hidden?.map(({ removed }) => removed) ?? [0]),
    kept:
      state.flow === "all" ? 1 : mean(whole.map((pattern) => flowShare(pattern, state.flow, part))),
    strongest: mean(strong?.map(({ share }) => share) ?? [1]),
    shown: { query: rowsOf(state, part, "query"), key: rowsOf(state, part, "key") },
    flow: state.flow,
    within: of.within,
    shows,
    scale: {
      sqrt: state.scale === "sqrt",
      top: state.top === "one" ? 1 : largest(weights, part.keys.length, shows),
    },
  };
}

/** A picture of several heads as one picture of each; all on the same scale. */
export function apart(picture: Picture): Picture[] {
  return picture.heads.map((id, i) => ({
    ...picture,
    heads: [id],
    focused: 0,
    raw: [picture.raw[i]],
    weights: [picture.weights[i]],
  }));
}

/** What is under the pointer, or else what is pinned; null when there is neither. */
export function activeSlice(hover: Session["hover"]["value"], { query, key }: State["focus"]): Slice | null {
  if (hover) return hover;
  return query === null && key === null ? null : { query, key };
}

const withoutSpecials = new WeakMap<Float32Array, ReturnType<typeof withoutSpecial>>();

function hide(pattern: Float32Array, sides: Sides) {
  let without = withoutSpecials.get(pattern);
  if (!without) withoutSpecials.set(pattern, (without = withoutSpecial(pattern, sides)));
  return without;
}

function largest(
  patterns: Float32Array[],
  n: number,
  shows: (query: number, key: number) => boolean,
): number {
  let most = 0;
  for (const weights of patterns) {
    const find = finderIn(weights);
    for (let at = 0; (at = find(at, weights.length, most)) < weights.length; at++) {
      if (shows(Math.floor(at / n), at % n)) most = weights[at];
    }
  }
  return most || 1;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
