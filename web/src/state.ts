/** What is on screen, and how it is written in a link. Everything here is a plain value. */

import { type Grain, GRAINS, partOfGrain, regrain, textOf } from "./model/grain";
import { FLOWS, type Flow, isPair, KEEPS, type Keep } from "./model/measure";
import { SUMMARIES, type Summary } from "./model/pyramid";
import { type HeadId, type Part, partAt, sameHead, type Token, type Trace, writtenTokens } from "./model/trace";

/** `joins`: whether it can show words and sentences instead of pieces. */
export const VIEWS = [
  { key: "head", label: "Head", joins: true },
  { key: "matrix", label: "Matrix", joins: true },
  { key: "text", label: "Text", joins: true },
  { key: "neuron", label: "Neuron", joins: false },
  { key: "model", label: "Model", joins: false },
  { key: "tokens", label: "Tokens", joins: false },
] as const;
export const SPECIALS = ["shown", "hidden"] as const;
export const SCALES = ["sqrt", "linear"] as const;
export const TOPS = ["one", "fit"] as const;
/** How several heads are drawn: over each other in their colours, beside each other, or one less another. */
export const LAYS = ["over", "beside", "difference"] as const;
/** How the model view draws heads. */
export const DRAWINGS = ["matrices", "curves"] as const;
export const THEMES = ["auto", "light", "dark"] as const;

export type View = (typeof VIEWS)[number]["key"];
export type Theme = (typeof THEMES)[number];

/** What is looked at: one head, and a query, a key, or both. */
export interface Focus extends HeadId {
  query: number | null;
  key: number | null;
}

export interface State {
  view: View;
  focus: Focus;
  /** The heads drawn, in the order of their colours; the focused one is among them. */
  heads: HeadId[];
  flow: Flow;
  /** Which edges are drawn of those. */
  keep: Keep;
  /** What the tokens on screen are, in the views that can join pieces. */
  grain: Grain;
  special: (typeof SPECIALS)[number];
  scale: (typeof SCALES)[number];
  /** The weight drawn strongest: 1, or the largest on screen. */
  top: (typeof TOPS)[number];
  lay: (typeof LAYS)[number];
  drawing: (typeof DRAWINGS)[number];
  /** What a cell of the matrix view shows that stands for many weights. */
  summary: Summary;
  /** What of the matrix is in sight: its corner, in cells, and a cell's side in CSS pixels; null for all of it. */
  zoom: { row: number; column: number; cell: number } | null;
  /** The atlas's order: "layer" or a metric's key. */
  order: string;
  /** How many tokens are shown of a text that the model continued; null for all. */
  upTo: number | null;
  theme: Theme;
}

export const MOST_HEADS = 16;

export const INITIAL: State = {
  view: "head",
  focus: { layer: 0, head: 0, query: null, key: null },
  heads: [{ layer: 0, head: 0 }],
  flow: "all",
  keep: "all",
  grain: "pieces",
  special: "shown",
  scale: "sqrt",
  top: "one",
  lay: "over",
  drawing: "matrices",
  summary: "max",
  zoom: null,
  order: "layer",
  upTo: null,
  theme: "auto",
};

// ---- what a person does -------------------------------------------------------------------

/** Shows one head alone. */
export function isolate(state: State, { layer, head }: HeadId): State {
  return { ...state, focus: { ...state.focus, layer, head }, heads: [{ layer, head }] };
}

/** Brings one of the drawn heads to the inspector. */
export function bringForward(state: State, { layer, head }: HeadId): State {
  return { ...state, focus: { ...state.focus, layer, head } };
}

/** Adds a head to those drawn, or takes it away; the last one stays. */
export function toggle(state: State, id: HeadId): State {
  const others = state.heads.filter((drawn) => !sameHead(drawn, id));
  if (others.length === state.heads.length) {
    if (others.length >= MOST_HEADS) return state;
    return bringForward({ ...state, heads: [...others, { layer: id.layer, head: id.head }] }, id);
  }
  if (others.length === 0) return state;
  const next = { ...state, heads: others };
  return sameHead(state.focus, id) ? bringForward(next, others[others.length - 1]) : next;
}

/** What the tokens of a view are. */
export function grainOf({ view, grain }: State): Grain {
  return VIEWS.find(({ key }) => key === view)!.joins ? grain : "pieces";
}

/** The part of the model that the focus is in, with the tokens on screen. */
export function partOf(state: State, trace: Trace): Part {
  return partOfGrain(trace, partAt(trace, state.focus.layer), grainOf(state));
}

/** Shows another view, or another grain, of the same pinned tokens. */
export function show(state: State, change: Partial<Pick<State, "view" | "grain">>, trace: Trace): State {
  const next = { ...state, ...change };
  const { queries, keys } = partAt(trace, state.focus.layer);
  const again = (tokens: Token[], index: number | null) =>
    regrain(textOf(trace, tokens), index, grainOf(state), grainOf(next));
  const { query, key } = state.focus;
  return { ...next, focus: { ...state.focus, query: again(queries, query), key: again(keys, key) } };
}

/** Shows another part of the model: the same layer and head of it, as far as it has them. */
export function enterPart(state: State, part: Part, trace: Trace): State {
  const now = partAt(trace, state.focus.layer);
  if (now === part) return state;
  const layer = part.layers[clamp(now.layers.indexOf(state.focus.layer), part.layers.length)];
  return isolate(unpin(state), { layer, head: clamp(state.focus.head, part.heads) });
}

/** Steps to a neighbouring head or layer of the same part. */
export function step(state: State, layers: number, heads: number, trace: Trace): State {
  const part = partAt(trace, state.focus.layer);
  const layer = part.layers[clamp(part.layers.indexOf(state.focus.layer) + layers, part.layers.length)];
  const head = clamp(state.focus.head + heads, part.heads);
  return sameHead(state.focus, { layer, head }) ? state : isolate(state, { layer, head });
}

/** Pins a token on one side, or frees it when it is pinned already. */
export function pin(state: State, side: "query" | "key", index: number): State {
  const other = side === "query" ? "key" : "query";
  const freed = state.focus[side] === index && state.focus[other] === null;
  return { ...state, focus: { ...state.focus, [other]: null, [side]: freed ? null : index } };
}

/** Pins what one token is to another, or frees both when that pair is pinned already. */
export function pinPair(state: State, query: number, key: number): State {
  const freed = state.focus.query === query && state.focus.key === key;
  return freed ? unpin(state) : { ...state, focus: { ...state.focus, query, key } };
}

export function unpin(state: State): State {
  return { ...state, focus: { ...state.focus, query: null, key: null } };
}

/** Steps to a neighbouring token, on the side that is pinned; of a pinned pair, on `side`. */
export function stepToken(state: State, by: number, part: Part, ofPair: "query" | "key" = "query"): State {
  const { query, key } = state.focus;
  const isPairPinned = query !== null && key !== null;
  const side = isPairPinned ? ofPair : key !== null ? "key" : "query";
  const shown = rowsOf(state, part, side);
  const now = shown.indexOf(state.focus[side] ?? -1);
  const next = now < 0 ? (by > 0 ? 0 : shown.length - 1) : clamp(now + by, shown.length);
  const index = shown[next];
  if (index === undefined || index === state.focus[side]) return state;
  return isPairPinned ? { ...state, focus: { ...state.focus, [side]: index } } : pin(state, side, index);
}

/** The next of a list of choices, from the start again after the last. */
export function after<T>(choices: readonly T[], now: T): T {
  return choices[(choices.indexOf(now) + 1) % choices.length];
}

/** Shows the first `count` tokens of a text that the model continued, the prompt at least. */
export function showUpTo(state: State, count: number, trace: Trace): State {
  const all = writtenTokens(trace).length;
  const upTo = Math.max(trace.prompt ?? all, Math.min(all, count));
  return fit({ ...state, upTo: upTo === all ? null : upTo }, trace);
}

/** The last token shown. */
export function lastShown({ upTo }: State, tokens: Token[]): number {
  return Math.min(upTo ?? tokens.length, tokens.length) - 1;
}

/** The tokens of one side that have a row. */
export function rowsOf(state: State, part: Part, side: "query" | "key"): number[] {
  const isWritten = part.key === "cross" ? side === "query" : part.key !== "encoder";
  const tokens = side === "query" ? part.queries : part.keys;
  return shownTokens(isWritten ? state : { ...state, upTo: null }, tokens);
}

/** The tokens that have a row, of what a model may have continued. */
export function shownTokens({ special, upTo }: State, tokens: Token[]): number[] {
  const isWritten = (i: number) => upTo === null || (tokens[i].firstPiece ?? i) < upTo;
  const isShown = (i: number) => isWritten(i) && (special === "shown" || !tokens[i].special);
  return tokens.map((_, i) => i).filter(isShown);
}

/** `state` with everything that `trace` does not have put right. */
export function fit(state: State, trace: Trace): State {
  const inside = ({ layer, head }: HeadId, { layers, heads }: Part) => layers.includes(layer) && head < heads;
  const { layer, head, query, key } = state.focus;
  const home = partAt(trace, layer);
  const focused = inside(state.focus, home) ? { layer, head } : { layer: home.layers[0], head: 0 };
  const part = partOf({ ...state, focus: { ...state.focus, ...focused } }, trace);
  const heads = state.heads.filter(
    (id, i, all) => inside(id, part) && all.findIndex((other) => sameHead(other, id)) === i,
  );
  const written = writtenTokens(trace);
  const upTo =
    trace.prompt !== null && state.upTo !== null && state.upTo < written.length ? state.upTo : null;
  const token = (side: "query" | "key", index: number | null) =>
    index !== null && rowsOf({ ...state, upTo }, part, side).includes(index) ? index : null;
  return {
    ...state,
    focus: { ...focused, query: token("query", query), key: token("key", key) },
    heads: heads.some((drawn) => sameHead(drawn, focused)) ? heads : [focused],
    flow: isPair(part) ? state.flow : "all",
    upTo,
    order: trace.metrics.some((metric) => metric.key === state.order) ? state.order : "layer",
  };
}

/** The pinned token of one text, found again in another: at its place, or else nearest to it. */
export function follow(index: number | null, before: Token[], now: Token[]): number | null {
  if (index === null || !before[index]) return null;
  const { piece } = before[index];
  const places = now.flatMap((token, i) => (token.piece === piece ? [i] : []));
  if (places.length === 0) return null;
  return places.reduce((best, i) => (Math.abs(i - index) < Math.abs(best - index) ? i : best));
}

// ---- the link -----------------------------------------------------------------------------

/** The fragment of a link that shows `state`, with the texts, and those beside them, where they can be run again. */
export function toHash(state: State, texts: string[] | null, beside: string[] | null = null): string {
  const { focus, heads } = state;
  const link = new URLSearchParams({ head: `${focus.layer}.${focus.head}` });
  if (heads.length > 1) link.set("heads", heads.map(({ layer, head }) => `${layer}.${head}`).join(" "));
  if (focus.query !== null) link.set("query", String(focus.query));
  if (focus.key !== null) link.set("key", String(focus.key));
  if (state.upTo !== null) link.set("upto", String(state.upTo));
  for (const key of ["view", "flow", "keep", "grain", "special", "scale", "top", "lay", "drawing", "summary", "order", "theme"] as const) {
    if (state[key] !== INITIAL[key]) link.set(key, state[key]);
  }
  if (state.zoom) {
    link.set("zoom", [state.zoom.row, state.zoom.column, state.zoom.cell].map((at) => at.toFixed(1)).join(" "));
  }
  texts?.forEach((text, i) => link.set("ab"[i], text));
  beside?.forEach((text, i) => link.set("cd"[i], text));
  return `#${link}`;
}

/** The state and the texts that a link shows; what it leaves out is as in `base`. */
export function fromHash(
  hash: string,
  base: State,
): { state: State; texts: string[] | null; beside: string[] | null } {
  const link = new URLSearchParams(hash.replace(/^#/, ""));
  const one = <T extends string>(key: string, choices: readonly T[]): T | undefined =>
    choices.find((choice) => choice === link.get(key));
  const head = readHead(link.get("head")) ?? base.focus;
  const heads = (link.get("heads") ?? "").split(" ").flatMap((text) => readHead(text) ?? []);
  const state: State = {
    view:
      one(
        "view",
        VIEWS.map(({ key }) => key),
      ) ?? base.view,
    focus: {
      layer: head.layer,
      head: head.head,
      query: readIndex(link.get("query")),
      key: readIndex(link.get("key")),
    },
    heads: heads.some((drawn) => sameHead(drawn, head))
      ? heads.slice(0, MOST_HEADS)
      : [{ layer: head.layer, head: head.head }],
    flow:
      one(
        "flow",
        FLOWS.map(({ key }) => key),
      ) ?? INITIAL.flow,
    keep:
      one(
        "keep",
        KEEPS.map(({ key }) => key),
      ) ?? INITIAL.keep,
    grain: one("grain", GRAINS) ?? INITIAL.grain,
    special: one("special", SPECIALS) ?? INITIAL.special,
    scale: one("scale", SCALES) ?? INITIAL.scale,
    top: one("top", TOPS) ?? INITIAL.top,
    lay: one("lay", LAYS) ?? INITIAL.lay,
    drawing: one("drawing", DRAWINGS) ?? INITIAL.drawing,
    summary: one("summary", SUMMARIES) ?? INITIAL.summary,
    zoom: readZoom(link.get("zoom")),
    order: link.get("order") ?? INITIAL.order,
    upTo: readIndex(link.get("upto")),
    theme: one("theme", THEMES) ?? base.theme,
  };
  const texts = (first: string, second: string) => {
    const [a, b] = [link.get(first), link.get(second)];
    return a === null ? null : b === null ? [a] : [a, b];
  };
  return { state, texts: texts("a", "b"), beside: texts("c", "d") };
}

function readHead(text: string | null): HeadId | null {
  const [layer, head, ...rest] = (text ?? "").split(".").map(readIndex);
  return layer == null || head == null || rest.length ? null : { layer, head };
}

/** The matrix view puts right what does not fit its pattern. */
function readZoom(text: string | null): State["zoom"] {
  if (text === null || !/^\d{1,6}\.\d \d{1,6}\.\d \d{1,3}\.\d$/.test(text)) return null;
  const [row, column, cell] = text.split(" ").map(Number);
  return { row, column, cell };
}

function readIndex(text: string | null): number | null {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
}

function clamp(index: number, count: number): number {
  return Math.max(0, Math.min(count - 1, index));
}
