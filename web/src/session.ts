/** One component's life: the state on screen, the trace behind it, and the talk with the host. */

import { Cell } from "./cell";
import { type Host, type Problem, type Reply, toBytes, toProblem } from "./model/host";
import { Safetensors, toFloats } from "./model/safetensors";
import type { Slice } from "./model/measure";
import { allHeads, type HeadId, isSelf, metricOf, partAt, readTrace, sameHead, type Trace } from "./model/trace";
import type { VectorName, Vectors } from "./model/vectors";
import { activeSlice } from "./picture";
import { fit, follow, fromHash, grainOf, INITIAL, isolate, MOST_HEADS, partOf, type State, THEMES, VIEWS } from "./state";

/** Typing rests this long before a text is run. */
const TYPING_PAUSE_MS = 90;
/** Neighbouring heads are fetched when nothing has happened for this long. */
const LOOK_AHEAD_MS = 40;
/** Patterns kept per text: a few dozen heads at 512 tokens. */
const KEPT_BYTES = 96 << 20;
/** Heads whose queries and keys are kept per text. */
const KEPT_VECTORS = 16;

/** A trace with the patterns that have arrived for it. */
export class Shown {
  private readonly patterns = new Map<string, Float32Array>();
  private readonly asked = new Set<string>();
  private readonly kept = new Map<string, Vectors>();
  /** Rows and columns whose weights have come with all their digits; null of heads that came so as a whole. */
  private readonly exact = new Map<string, Set<string> | null>();
  /** How far weights may be off, where they came rounded or a page carries fewer digits; as text. */
  within: string | null;

  constructor(readonly trace: Trace) {
    this.within = trace.weightsWithin;
  }

  /** [queries, keys], or nothing as long as it is on its way. */
  pattern(id: HeadId): Float32Array | undefined {
    return this.patterns.get(keyOf(id));
  }

  /** Whether the pattern has not been asked for. */
  wants(id: HeadId): boolean {
    return !this.asked.has(keyOf(id));
  }

  ask(id: HeadId): void {
    this.asked.add(keyOf(id));
  }

  /** Lets go of the oldest pattern, when there are too many, that is not of a head in use. */
  keep(id: HeadId, pattern: Float32Array, within: string | null, inUse: HeadId[]): void {
    this.patterns.set(keyOf(id), pattern);
    this.exact.set(keyOf(id), within ? new Set() : null);
    this.within = within ?? this.within;
    const used = new Set([id, ...inUse].map(keyOf));
    const oldest = [...this.patterns.keys()].find((key) => !used.has(key));
    if (oldest !== undefined && this.patterns.size * pattern.byteLength > KEPT_BYTES) {
      this.patterns.delete(oldest);
      this.asked.delete(oldest);
    }
  }

  /** Of a row and a column those that the head's rounded pattern has not got all digits of. */
  lacks(id: HeadId, line: Slice): Slice | null {
    const known = this.patterns.has(keyOf(id)) ? this.exact.get(keyOf(id)) : null;
    if (!known) return null;
    const query = line.query !== null && !known.has(`query ${line.query}`) ? line.query : null;
    const key = line.key !== null && !known.has(`key ${line.key}`) ? line.key : null;
    return query === null && key === null ? null : { query, key };
  }

  /** Puts all digits of a row and a column where the rounded ones were. */
  refine(id: HeadId, { query, key }: Slice, weights: Float32Array): void {
    const [pattern, known] = [this.patterns.get(keyOf(id)), this.exact.get(keyOf(id))];
    const { keys } = partAt(this.trace, id.layer);
    if (!pattern || !known) return;
    if (query !== null) pattern.set(weights.subarray(0, keys.length), query * keys.length);
    const column = weights.subarray(query === null ? 0 : keys.length);
    if (key !== null) column.forEach((weight, row) => (pattern[row * keys.length + key] = weight));
    if (query !== null) known.add(`query ${query}`);
    if (key !== null) known.add(`key ${key}`);
  }

  /** What the scores of a head are made of, or nothing as long as it is on its way. */
  vectors(id: HeadId): Vectors | undefined {
    return this.kept.get(keyOf(id));
  }

  keepVectors(id: HeadId, vectors: Vectors): void {
    this.kept.set(keyOf(id), vectors);
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT_VECTORS) this.kept.delete(oldest);
  }

  /** The pattern did not come; it may be asked for again. */
  lost(id: HeadId): void {
    this.asked.delete(keyOf(id));
  }
}

export class Session {
  readonly state: Cell<State>;
  /** The token under the pointer. */
  readonly hover = new Cell<{ query: number | null; key: number | null } | null>(null);
  /** The last complete picture; it stays until the next one is complete. */
  readonly shown = new Cell<Shown | null>(null);
  /** Counts the patterns that have arrived of heads on screen. */
  readonly arrivals = new Cell(0);
  /** Counts the rows and columns whose weights have got all their digits since. */
  readonly refined = new Cell(0);
  /** The texts as typed so far. */
  readonly draft = new Cell<string[]>([]);
  readonly problem = new Cell<Problem | null>(null);
  readonly busy = new Cell(false);
  readonly editable: boolean;
  /** Where the lesson is; null where there is none. */
  readonly lesson: string | null;

  /** Neither a link nor the host has named a head yet. */
  private fresh: boolean;
  /** The state of a link whose texts are being run. */
  private target: State | null = null;
  private coming: Shown | null = null;
  private requests = 0;
  private run = 0;
  private readonly waiting = new Map<
    number,
    { kind: "pattern" | "vectors" | "exact"; of: Shown; id: HeadId }
  >();
  private typing: ReturnType<typeof setTimeout> | undefined;
  private ahead: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: Host,
    hash: string,
  ) {
    const { heads, view, theme } = readFocus(host.get("focus"));
    this.fresh = heads.length === 0 && !/[#&]head=/.test(hash);
    const { state } = fromHash(hash, isolate({ ...INITIAL, view, theme }, heads[0] ?? INITIAL.focus));
    this.state = new Cell(/[#&]head=/.test(hash) || this.fresh ? state : { ...state, heads });
    this.editable = host.get("editable") === true;
    this.lesson = (host.get("lesson") as string | null | undefined) ?? null;
    host.on("change:overview", this.onOverview);
    host.on("change:focus", this.onFocus);
    host.on("msg:custom", this.onMessage);
    this.state.subscribe(() => this.onState());
    this.hover.subscribe(() => this.askForDigits());
    this.onOverview();
  }

  close(): void {
    clearTimeout(this.typing);
    clearTimeout(this.ahead);
    this.host.off?.("change:overview", this.onOverview);
    this.host.off?.("change:focus", this.onFocus);
    this.host.off?.("msg:custom", this.onMessage);
  }

  update(change: (state: State) => State): void {
    this.state.set(change(this.state.value));
  }

  /** Shows what a link says; other texts are run first. */
  open(state: State, texts: string[] | null): void {
    this.fresh = false;
    const trace = this.shown.value?.trace;
    const runs = texts !== null && this.editable && trace && !sameTexts(texts, trace.texts);
    if (runs) {
      this.target = state;
      this.edit(texts, 0);
    } else {
      this.state.set(trace ? fit(state, trace) : state);
    }
  }

  /** Takes what was typed, and runs it when the typing rests. */
  edit(texts: string[], pause = TYPING_PAUSE_MS): void {
    this.draft.set(texts);
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.runTexts(texts), pause);
  }

  /** Asks for what the scores of a head on screen are made of, unless it is there or on its way. */
  askForVectors(id: HeadId): void {
    const of = this.shown.value;
    if (!of || of.vectors(id)) return;
    for (const { kind, of: whose, id: asked } of this.waiting.values()) {
      if (kind === "vectors" && whose === of && sameHead(asked, id)) return;
    }
    const request = ++this.requests;
    this.waiting.set(request, { kind: "vectors", of, id });
    this.host.send({ kind: "vectors", layer: id.layer, head: id.head, request });
  }

  private runTexts(texts: string[]): void {
    const filled = texts.filter((text, i) => i === 0 || text.trim() !== "");
    if (filled[0].trim() === "") {
      this.problem.set({
        message: "Sentence A is empty.",
        help: "Type a few words; the picture shows the text before.",
      });
      return;
    }
    this.run = ++this.requests;
    this.busy.set(true);
    this.host.send({ kind: "run", texts: filled, request: this.run });
  }

  private readonly onOverview = (): void => {
    const bytes = toBytes(this.host.get("overview"));
    if (!bytes) return;
    try {
      this.coming = new Shown(readTrace(Safetensors.read(bytes)));
    } catch (error) {
      this.problem.set(
        toProblem(error, "The data do not fit this page: write the file again with this version."),
      );
      return;
    }
    this.problem.set(null);
    this.askFor(this.coming, this.headsFor(this.coming));
    this.showComing();
  };

  private readonly onMessage = (content: Reply, buffers: unknown[] = []): void => {
    if (content.kind === "pattern") this.onPattern(content.request, toBytes(buffers[0]), content.within);
    if (content.kind === "exact") this.onExact(content.request, content, toBytes(buffers[0]));
    if (content.kind === "vectors") this.onVectors(content.request, content.names, buffers);
    if (content.kind === "ran" && content.request === this.run) this.busy.set(false);
    if (content.kind === "error") this.onError(content);
  };

  private onPattern(request: number, bytes: Uint8Array | null, within?: string | null): void {
    const wanted = this.waiting.get(request);
    this.waiting.delete(request);
    if (!wanted || !bytes) return;
    wanted.of.keep(wanted.id, toFloats(bytes), within ?? null, this.state.value.heads);
    const isDrawn = this.state.value.heads.some((id) => sameHead(id, wanted.id));
    if (wanted.of === this.coming) this.showComing();
    // A neighbour that was fetched ahead changes no picture.
    else if (wanted.of === this.shown.value && isDrawn) this.arrivals.set(this.arrivals.value + 1);
    this.askForDigits();
    this.askForNeighbours();
  }

  private onExact(request: number, line: Slice, bytes: Uint8Array | null): void {
    const wanted = this.waiting.get(request);
    this.waiting.delete(request);
    if (!wanted || !bytes) return;
    wanted.of.refine(wanted.id, line, toFloats(bytes));
    if (wanted.of === this.shown.value) this.refined.set(this.refined.value + 1);
    this.askForDigits();
  }

  private onVectors(request: number, names: VectorName[], buffers: unknown[]): void {
    const wanted = this.waiting.get(request);
    this.waiting.delete(request);
    if (!wanted) return;
    const vectors = names.map((name, i) => [name, toFloats(toBytes(buffers[i]) ?? new Uint8Array())]);
    wanted.of.keepVectors(wanted.id, Object.fromEntries(vectors));
    if (wanted.of === this.shown.value) this.arrivals.set(this.arrivals.value + 1);
  }

  private onError({ request, message, help, gone }: Problem & { request: number }): void {
    const wanted = this.waiting.get(request);
    this.waiting.delete(request);
    if (wanted?.kind === "pattern") wanted.of.lost(wanted.id);
    if (wanted && gone && this.editable) return this.runTexts(wanted.of.trace.texts);
    // Only the latest text's answer counts; an older one has been typed over.
    if (!wanted && request !== 0 && request !== this.run) return;
    this.busy.set(false);
    this.target = null;
    this.problem.set({ message, help });
  }

  private onState(): void {
    const shown = this.shown.value;
    if (!shown) return;
    this.askFor(shown, this.state.value.heads);
    this.askForDigits();
    this.askForNeighbours();
    const { view, focus } = this.state.value;
    this.host.set("focus", { view, ...focus });
    this.host.save_changes();
  }

  /** The host has another focus than the picture: a notebook's kernel may set it. */
  private readonly onFocus = (): void => {
    const shown = this.shown.value;
    const { view, heads, query, key } = readFocus(this.host.get("focus"));
    if (heads.length === 0) return;
    const now = this.state.value;
    const isSame = sameHead(heads[0], now.focus) && query === now.focus.query && key === now.focus.key;
    if (isSame && view === now.view) return;
    const next = sameHead(heads[0], now.focus) ? now : isolate(now, heads[0]);
    const state = { ...next, view, focus: { ...next.focus, query, key } };
    this.fresh = false;
    this.state.set(shown ? fit(state, shown.trace) : state);
  };

  /** Heads to draw for a trace that has just come; it may have fewer than the last one. */
  private headsFor({ trace }: Shown): HeadId[] {
    if (this.fresh && !this.shown.value) return [clearestHead(trace)];
    return fit(this.target ?? this.state.value, trace).heads;
  }

  /** Replaces the picture once everything drawn in the new one is there. */
  private showComing(): void {
    const { coming } = this;
    if (!coming) return;
    const heads = this.headsFor(coming);
    this.askFor(coming, heads);
    if (!heads.every((id) => coming.pattern(id))) return;
    const before = this.shown.value?.trace;
    const state = this.fresh && !before ? isolate(this.state.value, heads[0]) : this.state.value;
    const next = this.target ?? (before ? refocus(state, before, coming.trace) : state);
    this.target = null;
    if (this.draft.value.length === 0) this.draft.set(coming.trace.texts);
    this.coming = null;
    this.hover.set(null);
    this.shown.set(coming);
    this.state.set(fit(next, coming.trace));
    this.askForNeighbours();
  }

  private askFor(of: Shown, heads: HeadId[]): void {
    for (const id of heads) {
      if (!of.wants(id)) continue;
      of.ask(id);
      const request = ++this.requests;
      this.waiting.set(request, { kind: "pattern", of, id });
      this.host.send({ kind: "pattern", layer: id.layer, head: id.head, request });
    }
  }

  /**
   * Asks for all digits of what is looked at, where patterns come rounded. One line of a head at a time: a pointer
   * passes over hundreds of rows a second.
   */
  askForDigits(slice = activeSlice(this.hover.value, this.state.value.focus)): void {
    const of = this.shown.value;
    if (!of || !slice || grainOf(this.state.value) !== "pieces") return;
    if (this.isWaitingFor("exact")) return;
    const self = isSelf(partAt(of.trace, this.state.value.focus.layer));
    // Where a text attends to itself the text view shows both what a token looks at and what looks at it.
    const line = self ? { query: slice.query ?? slice.key, key: slice.key ?? slice.query } : slice;
    for (const id of this.state.value.heads) {
      const lacked = of.lacks(id, line);
      if (!lacked) continue;
      const request = ++this.requests;
      this.waiting.set(request, { kind: "exact", of, id });
      this.host.send({ kind: "exact", layer: id.layer, head: id.head, ...lacked, request });
    }
  }

  private isWaitingFor(what: "pattern" | "exact"): boolean {
    return [...this.waiting.values()].some(({ kind }) => kind === what);
  }

  /** Fetches what one keypress would show next, one head at a time, when there is time. */
  private askForNeighbours(): void {
    clearTimeout(this.ahead);
    this.ahead = setTimeout(() => {
      const shown = this.shown.value;
      // What is on its way comes first: two long patterns at once take twice as long each.
      if (!shown || this.isWaitingFor("pattern")) return;
      const { queries, keys } = partAt(shown.trace, this.state.value.focus.layer);
      if (2 * queries.length * keys.length * Float32Array.BYTES_PER_ELEMENT > KEPT_BYTES) return;
      const next = neighbours(this.state.value.focus, shown.trace).find((id) => shown.wants(id));
      if (!next) return;
      this.askFor(shown, [next]);
    }, LOOK_AHEAD_MS);
  }
}

/** The pinned tokens of the text before, found again in the one that has come. */
function refocus(state: State, before: Trace, now: Trace): State {
  const { focus } = state;
  const [was, is] = [partOf(state, before), partOf(state, now)];
  const query = follow(focus.query, was.queries, is.queries);
  const key = follow(focus.key, was.keys, is.keys);
  return { ...state, focus: { ...focus, query, key } };
}

/** The head with the sharpest rows among those that look at words: a first picture that says something. */
function clearestHead(trace: Trace): HeadId {
  const [part] = trace.parts;
  const value = (id: HeadId, key: string) => {
    const metric = trace.metrics.findIndex((candidate) => candidate.key === key);
    return metric < 0 ? 0 : metricOf(trace, metric, id);
  };
  const blur = (id: HeadId) =>
    value(id, "first") + value(id, "separators") + value(id, "entropy") / Math.log(part.keys.length + 1);
  return allHeads(part).reduce((best, id) => (blur(id) < blur(best) ? id : best));
}

function neighbours({ layer, head }: HeadId, trace: Trace): HeadId[] {
  const { layers, heads } = partAt(trace, layer);
  const place = layers.indexOf(layer);
  return [
    { layer, head: head + 1 },
    { layer: layers[place + 1], head },
    { layer, head: head - 1 },
    { layer: layers[place - 1], head },
  ].filter((id) => id.layer !== undefined && id.head >= 0 && id.head < heads);
}

/** A host's focus, `{ view, theme, layer, head, heads, query, key }`: any of them may be missing. */
function readFocus(
  value: unknown,
): Pick<State, "view" | "theme"> & { heads: HeadId[]; query: number | null; key: number | null } {
  const { view, theme, layer, head, heads, query, key } = (value ?? {}) as Record<string, unknown>;
  const isIndex = (given: unknown): given is number => Number.isInteger(given) && (given as number) >= 0;
  const [l, h] = [layer, head].map((given) => (isIndex(given) ? given : null));
  const drawn = Array.isArray(heads) && heads.length > 0 ? heads.filter(isIndex) : [h ?? 0];
  return {
    view: VIEWS.find(({ key }) => key === view)?.key ?? INITIAL.view,
    theme: THEMES.find((known) => known === theme) ?? INITIAL.theme,
    query: isIndex(query) ? query : null,
    key: isIndex(key) ? key : null,
    heads:
      l === null && h === null
        ? []
        : drawn.slice(0, MOST_HEADS).map((head) => ({ layer: l ?? 0, head })),
  };
}

function sameTexts(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

function keyOf({ layer, head }: HeadId): string {
  return `${layer}.${head}`;
}
