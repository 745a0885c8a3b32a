/** The text as text: a token's weights glow on the words themselves. It reads at any length. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { useCell } from "../cell";
import { textOf } from "../model/grain";
import type { Slice } from "../model/measure";
import { textRuns } from "../model/piece";
import { headTitle, isSelf, type Text, type Token } from "../model/trace";
import { Piece } from "../parts/piece";
import { activeSlice, type Picture } from "../picture";
import type { Session } from "../session";
import { pin, unpin } from "../state";
import type { Side } from "./layout";
import { strengthOf } from "./paint";

interface Props {
  session: Session;
  picture: Picture;
}

/** Weaker glows cannot be seen. */
const FAINTEST = 0.08;
/** Weights printed over their tokens, the largest of each direction. */
const PRINTED = 12;
const LEAST_PRINTED = 0.05;
/** In CSS pixels, with the space beside it. */
const NUMBER_WIDTH = 27;

export function TextView({ session, picture }: Props) {
  const { trace, part } = picture;
  const { focus } = useCell(session.state);
  const hover = useCell(session.hover);
  const refined = useCell(session.refined);
  const frame = useRef<HTMLDivElement>(null);
  const self = isSelf(part);
  const slice = activeSlice(hover, focus);
  const body = useMemo(
    () =>
      self ? (
        <Passage side="query" text={textOf(trace, trace.source.tokens)} tokens={part.keys} shown={picture.shown.key} name="" />
      ) : (
        <>
          <Passage side="query" text={trace.target!} tokens={part.queries} shown={picture.shown.query} name="target" />
          <Passage side="key" text={trace.source} tokens={part.keys} shown={picture.shown.key} name="source" />
        </>
      ),
    [part, picture.shown.query.length, picture.shown.key.length],
  );

  useLayoutEffect(() => glow(frame.current!, glowsOf(slice, picture), slice), [slice?.query, slice?.key, picture, slice && refined]);
  useLayoutEffect(() => {
    const index = focus.query ?? focus.key;
    const side = focus.query !== null || self ? "query" : "key";
    if (index !== null) tokenOf(frame.current!, side, index)?.scrollIntoView({ block: "nearest" });
  }, [focus.query, focus.key, part]);

  const under = (event: Event): { side: Side; index: number } | null => {
    const token = (event.target as HTMLElement).closest<HTMLElement>("[data-index]");
    return token && { side: token.dataset.side as Side, index: Number(token.dataset.index) };
  };
  return (
    <>
      <div
        class="scroller text-view"
        ref={frame}
        tabIndex={0}
        role="region"
        aria-label={`The text in ${headTitle(trace, picture.heads[0])}. j and k move the pinned token; the inspector lists its weights.`}
        data-testid="text-view"
        data-active={slice !== null}
        data-length={lengthOf(picture.shown.query.length + (self ? 0 : picture.shown.key.length))}
        onPointerMove={(event) => {
          if (event.pointerType === "touch") return;
          const at = under(event);
          const now = session.hover.value;
          if (at === null ? now === null : now?.[at.side] === at.index) return;
          session.hover.set(at && { query: null, key: null, [at.side]: at.index });
        }}
        onPointerLeave={() => session.hover.set(null)}
        onClick={(event) => {
          const at = under(event);
          if (String(getSelection() ?? "") !== "") return;
          session.update((state) => (at ? pin(state, at.side, at.index) : unpin(state)));
        }}
      >
        {body}
      </div>
      <Key slice={slice} picture={picture} />
    </>
  );
}

/** A short text is set larger: it has the page to itself. */
function lengthOf(tokens: number): string {
  return tokens <= 40 ? "short" : tokens <= 160 ? "middling" : "long";
}

/** What the colours mean. */
function Key({ slice, picture }: { slice: Slice | null; picture: Picture }) {
  const self = isSelf(picture.part);
  return (
    <p class="scale-key" data-testid="text-key">
      {slice === null ? (
        <span>
          <i class="swatch received" /> weight received, of the most (
          {Math.max(0, ...receivedBy(picture)).toFixed(2)} a token)
        </span>
      ) : (
        <>
          {(self || slice.query !== null) && (
            <span>
              <i class="swatch looks" /> looks at
            </span>
          )}
          {(self || slice.key !== null) && (
            <span>
              <i class="swatch looked" /> is looked at by
            </span>
          )}
        </>
      )}
      <span>Hover over a token, click to pin it</span>
    </p>
  );
}

// ---- the text -----------------------------------------------------------------------------

interface PassageProps {
  side: Side;
  text: Text;
  tokens: Token[];
  shown: number[];
  name: string;
}

/** One text with its tokens in it, a paragraph for each sentence of a pair. */
function Passage({ side, text, tokens, shown, name }: PassageProps) {
  const groups = bySegment(tokens, shown);
  return (
    <>
      {groups.map((indices, i) => (
        <section class="passage" key={i}>
          {(name || groups.length > 1) && <div class="whose">{name || "AB"[tokens[indices[0]].segment]}</div>}
          <p dir="auto">
            {indices.map((index, at) => (
              <Word
                key={index}
                side={side}
                index={index}
                token={tokens[index]}
                text={text}
                since={at === 0 ? null : endOf(tokens, indices, at - 1)}
              />
            ))}
          </p>
        </section>
      ))}
    </>
  );
}

function bySegment(tokens: Token[], shown: number[]): number[][] {
  const groups: number[][] = [];
  let last = -1;
  for (const index of shown) {
    if (tokens[index].segment !== last) groups.push([]);
    last = tokens[index].segment;
    groups[groups.length - 1].push(index);
  }
  return groups;
}

/** Where the text before a token ends, in bytes; tokens that were added do not count. */
function endOf(tokens: Token[], indices: number[], at: number): number | null {
  for (let i = at; i >= 0; i--) {
    const { span } = tokens[indices[i]];
    if (span) return span[1];
  }
  return null;
}

interface WordProps {
  side: Side;
  index: number;
  token: Token;
  text: Text;
  /** The end of the text that has been written before. */
  since: number | null;
}

function Word({ side, index, token, text, since }: WordProps) {
  const { span } = token;
  const start = span && since !== null ? Math.max(since, span[0]) : (span?.[0] ?? 0);
  const gap = span && since !== null && span[0] > since ? slice(text, since, span[0]) : "";
  const own = span ? slice(text, start, span[1]) : "";
  const ink = own.trimStart();
  return (
    <>
      {gap + own.slice(0, own.length - ink.length)}
      <span class={token.special || !ink ? "word added" : "word"} data-side={side} data-index={index}>
        {ink ? <Signs of={ink} /> : <Piece of={token.piece} />}
      </span>
    </>
  );
}

function slice({ bytes }: Text, start: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(start, end));
}

/** Text with signs for what cannot be seen; spaces and line breaks are left as they are. */
function Signs({ of }: { of: string }) {
  return (
    <>
      {of.split(/([ \n]+)/).map((part, i) =>
        i % 2 ? part : textRuns(part, part.length).map(({ text, as }) => (as === "sign" ? <span class="sign">{text}</span> : text)),
      )}
    </>
  );
}

// ---- the glow -----------------------------------------------------------------------------

interface Glow {
  side: Side;
  index: number;
  /** What the active token looks at, what it is looked at by, or what every token receives. */
  as: "looks" | "looked" | "received";
  strength: number;
  weight: number | null;
}

/** What glows for the active token: both directions where a text attends to itself. */
function glowsOf(slice: Slice | null, picture: Picture): Glow[] {
  const { part, shown, scale } = picture;
  const self = isSelf(part);
  const keySide: Side = self ? "query" : "key";
  if (slice === null) {
    const received = receivedBy(picture);
    const most = Math.max(1e-9, ...received);
    return shown.key.map((index) => ({
      side: keySide,
      index,
      as: "received",
      strength: strengthOf(received[index], { top: most, sqrt: scale.sqrt }),
      weight: null,
    }));
  }
  const glows: Glow[] = [];
  const add = (as: Glow["as"], side: Side, index: number, weight: number) =>
    glows.push({ as, side, index, weight, strength: strengthOf(weight, scale) });
  const isPair = slice.query !== null && slice.key !== null;
  const query = slice.query ?? (self ? slice.key : null);
  const key = isPair ? null : (slice.key ?? (self ? slice.query : null));
  if (query !== null) {
    for (const other of shown.key) add("looks", keySide, other, meanWeight(picture, query, other));
  }
  if (key !== null) {
    for (const other of shown.query) add("looked", "query", other, meanWeight(picture, other, key));
  }
  return glows;
}

function meanWeight({ weights, shows, part }: Picture, query: number, key: number): number {
  if (!shows(query, key)) return 0;
  const at = query * part.keys.length + key;
  let sum = 0;
  for (const pattern of weights) sum += pattern[at];
  return sum / weights.length;
}

const received = new WeakMap<Picture, Float32Array>();

/** The mean weight on each key, over the tokens that attend. */
function receivedBy(picture: Picture): Float32Array {
  let known = received.get(picture);
  if (!known) {
    const { part, shown, shows, weights } = picture;
    const n = part.keys.length;
    known = new Float32Array(n);
    for (const pattern of weights) {
      for (const query of shown.query) {
        const row = pattern.subarray(query * n, (query + 1) * n);
        for (const key of shown.key) if (shows(query, key)) known[key] += row[key];
      }
    }
    for (const key of shown.key) known[key] /= weights.length * shown.query.length;
    received.set(picture, known);
  }
  return known;
}

/** Puts the glows on the tokens; returns what takes them off again. */
function glow(frame: HTMLElement, glows: Glow[], slice: Slice | null): () => void {
  const lit: HTMLElement[] = [];
  for (const side of ["query", "key"] as const) {
    const index = slice?.[side];
    // Where a text attends to itself both sides are the same tokens.
    const token = index == null ? null : (tokenOf(frame, side, index) ?? tokenOf(frame, "query", index));
    token?.classList.add("active");
    if (token) lit.push(token);
  }
  for (const { side, index, as, strength } of glows) {
    if (strength < FAINTEST) continue;
    const token = tokenOf(frame, side, index);
    if (!token) continue;
    token.style.setProperty(`--${as}-at`, `${Math.round(strength * 100)}%`);
    token.classList.add(as);
    lit.push(token);
  }
  for (const as of ["looks", "looked"] as const) {
    const printed = glows
      .filter((one) => one.as === as && one.weight !== null && one.weight >= LEAST_PRINTED)
      .sort((a, b) => b.weight! - a.weight!)
      .slice(0, PRINTED);
    const places: DOMRect[] = [];
    for (const { side, index, weight } of printed) {
      const token = tokenOf(frame, side, index);
      const place = token?.getBoundingClientRect();
      if (!token || !place || places.some((other) => areClose(other, place))) continue;
      places.push(place);
      token.setAttribute(`data-${as}`, weight!.toFixed(2));
    }
  }
  return () => {
    for (const token of lit) {
      token.classList.remove("active", "looks", "looked", "received");
      token.removeAttribute("style");
      token.removeAttribute("data-looks");
      token.removeAttribute("data-looked");
    }
  };
}

/** Whether numbers over two tokens would run into each other; the larger weight is printed first. */
function areClose(a: DOMRect, b: DOMRect): boolean {
  const apart = Math.abs(a.left + a.right - b.left - b.right) / 2;
  return apart < NUMBER_WIDTH && Math.abs(a.top - b.top) < a.height / 2;
}

function tokenOf(frame: HTMLElement, side: Side, index: number): HTMLElement | null {
  return tokensOf(frame).get(`${side} ${index}`) ?? null;
}

const places = new WeakMap<Node, Map<string, HTMLElement>>();

/** The tokens of a text on the page by their place; looked up once for each text. */
function tokensOf(frame: HTMLElement): Map<string, HTMLElement> {
  const first = frame.querySelector(".word");
  if (!first) return new Map();
  let known = places.get(first);
  const words = frame.getElementsByClassName("word");
  if (!known || known.size !== words.length) {
    known = new Map([...words].map((word) => {
      const { side, index } = (word as HTMLElement).dataset;
      return [`${side} ${index}`, word as HTMLElement];
    }));
    places.set(first, known);
  }
  return known;
}
