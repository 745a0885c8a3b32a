/** The head view: tokens on both sides, and a curve for every weight that can be seen. */

import type { RefObject } from "preact";
import { useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useCell } from "../cell";
import { headInk, type Palette } from "../colours";
import { paintedBy } from "../export/svg";
import type { Slice } from "../model/measure";
import { plain } from "../model/piece";
import { isSelf, type Token } from "../model/trace";
import { Piece } from "../parts/piece";
import { px } from "../parts/px";
import { useSize } from "../parts/size";
import { activeSlice, type Picture } from "../picture";
import type { Session } from "../session";
import { pin } from "../state";
import { type Layout, layOut, sentences, type Side, tokenAt } from "./layout";
import {
  type Layer,
  looksOf,
  paintEdges,
  prepare,
  type Scale,
  spread,
  strengthOf,
  strokeEdge,
  visibleEdges,
} from "./paint";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
}

/** Numbers that would print as 0.000 are left out. */
const LEAST_PRINTED = 0.0005;
/** Weaker edges that end out of sight are not announced. */
const LEAST_BEYOND = 0.05;
/** Of longer texts the tokens near what is in sight are on the page: thousands would take milliseconds of every change. */
const MOST_LISTED = 600;

export function HeadView({ session, picture, palette }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const base = useRef<HTMLCanvasElement>(null);
  const size = useSize(scroller);
  const id = useId(); // several heads may stand beside each other
  const { part } = picture;
  const { focus } = useCell(session.state);
  const layout = useMemo(
    () => layOut(part, picture.shown, spaceOf(scroller.current, size), textMeasure(scroller.current)),
    [part, picture.shown.query.length, picture.shown.key.length, size],
  );
  const layers = useMemo(() => layersOf(picture, palette), [picture, palette]);
  const edges = useMemo(
    () => visibleEdges(layers, layout, part.keys.length, picture.scale, picture.shows),
    [layers, layout, picture],
  );
  const [band, follow] = useBand(scroller, layout, size.height);

  useLayoutEffect(() => {
    if (!size.width || !base.current) return;
    const paint = (context: CanvasRenderingContext2D) => {
      context.translate(0, -band.top);
      paintEdges(context, edges, layers, layout, band.top, band.top + band.height);
    };
    paint(prepare(base.current, layout.width, band.height));
    paintedBy(base.current, paint);
  }, [edges, layers, layout, band]);

  useLayoutEffect(() => {
    const side: Side = focus.query === null ? "key" : "query";
    const index = focus[side];
    if (index !== null && scroller.current) reveal(scroller.current, layout, side, index);
  }, [focus.query, focus.key, layout]);

  const isLong = picture.shown.query.length + picture.shown.key.length > 2 * MOST_LISTED;
  const listed = isLong ? band : null;
  const columns = useMemo(
    () =>
      (["query", "key"] as const).map((side) => (
        <Column
          key={side}
          id={id}
          side={side}
          session={session}
          label={labelOf(side, isSelf(part))}
          tokens={side === "query" ? part.queries : part.keys}
          layout={layout}
          listed={listed}
          pinned={focus[side]}
        />
      )),
    [session, part, layout, listed, focus.query, focus.key],
  );

  return (
    <>
      <div class="scroller" ref={scroller} onScroll={follow} data-testid="head-view">
        <div class="picture" ref={frame} style={px({ height: layout.height })}>
          <canvas class="base" ref={base} style={px({ top: band.top })} aria-hidden="true" />
          <Active
            session={session}
            picture={picture}
            palette={palette}
            layout={layout}
            layers={layers}
            band={band}
            frame={frame}
            scroller={scroller}
            id={id}
          />
          {layout.bracket > 0 && <Brackets layout={layout} tokens={part.keys} />}
          {size.width > 0 && columns}
        </div>
      </div>
      <ScaleKey scale={picture.scale} least={edges.least} layout={layout} colour={palette.accent} />
    </>
  );
}

/** What a curve's looks mean, in this scale: a few weights as they are drawn. */
function ScaleKey({
  scale,
  least,
  layout,
  colour,
}: {
  scale: Scale;
  least: number;
  layout: Layout;
  colour: string;
}) {
  const samples = [0.01, 0.1, 0.5, 1].map((share) => share * scale.top).filter((weight) => weight >= least);
  return (
    <p class="scale-key" data-testid="scale-key">
      {samples.map((weight) => {
        const { alpha, width } = looksOf(strengthOf(weight, scale), layout.rowHeight);
        return (
          <span key={weight}>
            <svg width="26" height="8" aria-hidden="true">
              <path
                d="M3 4H23"
                stroke={colour}
                stroke-linecap="round"
                stroke-opacity={alpha}
                stroke-width={width}
              />
            </svg>
            {Number(weight.toPrecision(2))}
          </span>
        );
      })}
      <span>weights under {least.toPrecision(1)} are not drawn</span>
    </p>
  );
}

function layersOf({ weights }: Picture, palette: Palette): Layer[] {
  return weights.map((pattern, i) => ({ weights: pattern, ink: headInk(i, weights.length, palette) }));
}

// ---- tokens -------------------------------------------------------------------------------

/** What a side is, for those who do not see where it is. */
function labelOf(side: Side, self: boolean): string {
  if (self) return side === "query" ? "Tokens that attend" : "Tokens attended to";
  return side === "query" ? "Tokens of the target, that attend" : "Tokens of the source, attended to";
}

interface ColumnProps {
  /** Of the view, with which those of its tokens begin. */
  id: string;
  side: Side;
  session: Session;
  label: string;
  tokens: Token[];
  layout: Layout;
  /** Where tokens are on the page; null for everywhere. */
  listed: Band | null;
  pinned: number | null;
}

/** One side's tokens. Hovering one isolates its edges, clicking pins it. */
function Column({ id, side, session, label, tokens, layout, listed, pinned }: ColumnProps) {
  const { curves, column } = layout;
  const left = side === "query" ? curves[0] - column - 6 : curves[1] + 6;
  const under = (event: { currentTarget: EventTarget | null; clientY: number }) => {
    const top = (event.currentTarget as HTMLElement).getBoundingClientRect().top;
    return tokenAt(layout, side, event.clientY - top);
  };
  const hover = (event: PointerEvent) => {
    if (event.pointerType === "touch") return;
    const index = under(event);
    const now = session.hover.value;
    if (index === null || (now && now[side] === index)) return;
    const start = performance.now();
    session.hover.set({ query: null, key: null, [side]: index });
    hoverStarts = start;
  };
  const isListed = (index: number) => {
    const y = layout.middle[side][index];
    return !listed || index === pinned || (y > listed.top && y < listed.top + listed.height);
  };
  const click = (event: MouseEvent) => {
    const index = under(event);
    if (index === null || String(getSelection() ?? "") !== "") return;
    session.update((state) => pin(state, side, index));
  };
  return (
    <div
      class={`column ${side}`}
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-activedescendant={pinned === null ? undefined : `${id}-${side}-${pinned}`}
      data-testid={`${side}-column`}
      style={px({ left, width: column, fontSize: layout.type })}
      onPointerMove={hover}
      onPointerLeave={() => session.hover.set(null)}
      onClick={click}
    >
      {layout.shown[side].filter(isListed).map((index) => (
        <div
          key={index}
          id={`${id}-${side}-${index}`}
          role="option"
          aria-selected={index === pinned}
          class={tokens[index].special ? "token special" : "token"}
          style={px({ top: layout.middle[side][index] - layout.rowHeight / 2, height: layout.rowHeight })}
          data-testid={`${side}-token`}
          data-index={index}
          title={isCut(tokens[index]) ? plain(tokens[index].piece) : undefined}
        >
          <Piece of={tokens[index].piece} />
        </div>
      ))}
    </div>
  );
}

/** Whether a token is likely to be shown with an ellipsis. */
function isCut(token: Token): boolean {
  return token.piece.length > 12;
}

function Brackets({ layout, tokens }: { layout: Layout; tokens: Token[] }) {
  const left = layout.curves[0] - layout.column - layout.bracket + 18;
  return (
    <>
      {sentences(layout, tokens).map(({ segment, top, bottom }) => (
        <div
          class="bracket"
          key={top}
          style={px({ left, top: top + 4, height: bottom - top - 8 })}
          aria-hidden="true"
        >
          <span>{"AB"[segment] ?? segment}</span>
        </div>
      ))}
    </>
  );
}

// ---- the hovered or pinned token ----------------------------------------------------------

interface ActiveProps extends Props {
  layout: Layout;
  layers: Layer[];
  band: Band;
  frame: RefObject<HTMLDivElement | null>;
  scroller: RefObject<HTMLDivElement | null>;
  id: string;
}

let hoverStarts: number | null = null;

/** The edges of one token over the faded picture, with their weights at the other end. */
function Active({ session, picture, palette, layout, layers, band, frame, scroller, id }: ActiveProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const hover = useCell(session.hover);
  const { focus } = useCell(session.state);
  const refined = useCell(session.refined);
  const slice = activeSlice(hover, focus);
  const joined = useMemo(
    () => (slice ? ends(slice, picture, layout) : []),
    [slice?.query, slice?.key, picture, layout, refined],
  );

  useLayoutEffect(() => {
    frame.current?.toggleAttribute("data-active", slice !== null);
    if (!canvas.current) return;
    const paint = (context: CanvasRenderingContext2D) => {
      context.translate(0, -band.top);
      if (slice) paintSlice(context, slice, picture, layers, layout, palette.looked);
    };
    paint(prepare(canvas.current, layout.width, band.height));
    paintedBy(canvas.current, paint);
    measureHover();
  }, [slice?.query, slice?.key, picture, layout, layers, band]);

  useLayoutEffect(() => {
    if (!slice || !frame.current) return;
    return light(frame.current, id, slice, joined);
  }, [slice?.query, slice?.key, joined, band]);

  const side: Side = slice?.query != null ? "query" : "key";
  const other: Side = side === "query" ? "key" : "query";
  const own = slice?.[side];
  return (
    <>
      <canvas class="over" ref={canvas} style={px({ top: band.top })} aria-hidden="true" />
      {slice && own != null && !Number.isNaN(layout.middle[side][own]) && (
        <>
          <Pill side={side} index={own} layout={layout} />
          {(["above", "below"] as const).map((where) => (
            <Beyond
              key={where}
              where={where}
              side={side}
              scroller={scroller}
              joined={joined}
              picture={picture}
              layout={layout}
            />
          ))}
          {joined
            .filter(
              ({ index }) =>
                Math.abs(layout.middle[other][index] - band.top - band.height / 2) < band.height / 2 + 40,
            )
            .map(({ index, weights, mean }) => (
              <Weight
                key={index}
                side={side}
                index={index}
                weights={weights}
                mean={mean}
                layout={layout}
                layers={layers}
              />
            ))}
        </>
      )}
    </>
  );
}

/** Strokes the edges of one token, weakest first; those towards a key have its colour. */
function paintSlice(
  context: CanvasRenderingContext2D,
  slice: Slice,
  { weights, scale, shows, shown, part }: Picture,
  layers: Layer[],
  layout: Layout,
  looked: string,
) {
  const n = part.keys.length;
  const edges = layers.flatMap((_, layer) =>
    othersOf(slice, shown).flatMap((other) => {
      const query = slice.query ?? other;
      const key = slice.query === null ? slice.key! : other;
      const strength = strengthOf(weights[layer][query * n + key], scale);
      return strength > 0.01 && shows(query, key) ? [{ query, key, layer, strength }] : [];
    }),
  );
  edges.sort((a, b) => a.strength - b.strength);
  for (const { query, key, layer, strength } of edges) {
    const shift = spread(layer, layers.length, layout.rowHeight);
    const { ink } = layers[layer];
    const own = layers.length === 1 && slice.query === null ? { ...ink, colour: looked } : ink;
    strokeEdge(
      context,
      layout,
      layout.middle.query[query] + shift,
      layout.middle.key[key] + shift,
      0.06 + 0.94 * strength,
      own,
    );
  }
}

/** The tokens that may be at the other end: one if both ends are given, or else all. */
function othersOf({ query, key }: Slice, shown: Record<Side, number[]>): number[] {
  if (query !== null && key !== null) return [key];
  return query !== null ? shown.key : shown.query;
}

interface End {
  index: number;
  /** Of each drawn head. */
  weights: number[];
  mean: number;
}

/** The tokens at the other end of a slice, with weights that print as more than nothing. */
function ends(slice: Slice, { weights, shows, part }: Picture, { shown }: Layout): End[] {
  const n = part.keys.length;
  return othersOf(slice, shown).flatMap((index) => {
    const query = slice.query ?? index;
    const key = slice.query === null ? slice.key! : index;
    if (!shows(query, key)) return [];
    const each = weights.map((pattern) => pattern[query * n + key]);
    const mean = each.reduce((sum, weight) => sum + weight, 0) / each.length;
    return mean >= LEAST_PRINTED ? [{ index, weights: each, mean }] : [];
  });
}

interface BeyondProps {
  where: "above" | "below";
  side: Side;
  scroller: RefObject<HTMLDivElement | null>;
  joined: End[];
  picture: Picture;
  layout: Layout;
}

/** The strongest edge that ends out of sight, above or below; a click goes there. */
function Beyond({ where, side, scroller, joined, picture, layout }: BeyondProps) {
  const { top, height } = useScroll(scroller, layout);
  const { curves, column, middle } = layout;
  const other: Side = side === "query" ? "key" : "query";
  const tokens = other === "query" ? picture.part.queries : picture.part.keys;
  const hidden = joined.filter(({ index, mean }) => {
    const y = middle[other][index];
    return mean >= LEAST_BEYOND && (where === "above" ? y < top : y > top + height);
  });
  if (hidden.length === 0) return null;
  const { index, mean } = hidden.reduce((best, end) => (end.mean > best.mean ? end : best));
  const place =
    side === "query" ? { left: `${curves[1] + 6}px` } : { right: `${layout.width - curves[0] + 6}px` };
  return (
    <div class={`beyond ${where}`} style={where === "below" ? px({ top: height - 26 }) : undefined}>
      <button
        style={{ ...place, maxWidth: `${column + layout.numbers}px` }}
        onClick={() => reveal(scroller.current!, layout, other, index)}
      >
        {where === "above" ? "↑" : "↓"} <Piece of={tokens[index].piece} />{" "}
        <span class="figure">{mean.toFixed(3)}</span>
      </button>
    </div>
  );
}

function Pill({ side, index, layout }: { side: Side; index: number; layout: Layout }) {
  const { curves, column, rowHeight, middle } = layout;
  const height = Math.min(30, rowHeight - 2);
  const left = side === "query" ? curves[0] - column - 6 : curves[1] + 2;
  return (
    <div
      class={`pill ${side}`}
      style={px({ left, width: column + 4, height, top: middle[side][index] - height / 2 })}
    />
  );
}

/** A weight as a number, with a bar where there is room. */
function Weight({
  side,
  index,
  weights,
  mean,
  layout,
  layers,
}: End & { side: Side; layout: Layout; layers: Layer[] }) {
  const { curves, column, bracket, numbers, middle, bars } = layout;
  const outside = side === "query" ? curves[1] + column + 10 : curves[0] - column - 10 - bracket - numbers;
  return (
    <div
      class={`weight from-${side}`}
      data-testid="weight"
      data-index={index}
      style={px({ left: outside, top: middle[side === "query" ? "key" : "query"][index], width: numbers })}
    >
      <span class="figure">{mean.toFixed(3)}</span>
      {bars && (
        <span class="bar">
          {weights.map((weight, i) => (
            <i
              style={{
                width: `${(weight / weights.length) * 100}%`,
                background: layers.length > 1 ? layers[i].ink.colour : undefined,
              }}
            />
          ))}
        </span>
      )}
    </div>
  );
}

/** Marks the active token and the ones it is most joined to; returns what takes the marks away. */
function light(frame: HTMLElement, id: string, slice: Slice, joined: End[]): () => void {
  const side: Side = slice.query !== null ? "query" : "key";
  const other: Side = side === "query" ? "key" : "query";
  const lit = joined.filter(({ mean }) => mean >= 0.1).map(({ index }) => `${id}-${other}-${index}`);
  const root = frame.getRootNode() as ShadowRoot; // which finds an id without going through thousands of tokens
  const marks = [`${id}-${side}-${slice[side]}`, ...lit].flatMap((id) => root.getElementById(id) ?? []);
  for (const mark of marks) mark.toggleAttribute("data-lit", true);
  return () => {
    for (const mark of marks) mark.toggleAttribute("data-lit", false);
  };
}

// ---- scrolling ----------------------------------------------------------------------------

/** The part of a tall picture that the canvases cover. */
interface Band {
  top: number;
  height: number;
}

/** A band of twice the height on screen, moved when the reader scrolls near its end. */
function useBand(
  scroller: RefObject<HTMLElement | null>,
  layout: Layout,
  viewport: number,
): [Band, () => void] {
  const height = Math.max(1, Math.min(layout.height, Math.ceil(viewport * 2)));
  const [wanted, setTop] = useState(0);
  const top = Math.max(0, Math.min(wanted, layout.height - height));
  const band = useMemo(() => ({ top, height }), [top, height]);
  const follow = () => {
    const at = scroller.current!.scrollTop;
    const inside = at >= band.top && at + viewport <= band.top + height;
    if (!inside) setTop(Math.round(at - viewport / 2));
  };
  return [band, follow];
}

/** What of a scrolled element is in sight. */
function useScroll(scroller: RefObject<HTMLElement | null>, layout: Layout): { top: number; height: number } {
  const read = () => ({ top: scroller.current?.scrollTop ?? 0, height: scroller.current?.clientHeight ?? 0 });
  const [sight, setSight] = useState(read);
  useLayoutEffect(() => {
    const element = scroller.current;
    const listen = () => setSight(read());
    listen();
    element?.addEventListener("scroll", listen, { passive: true });
    return () => element?.removeEventListener("scroll", listen);
  }, [scroller, layout]);
  return sight;
}

/** Scrolls a token's row into sight: by a little when it is near, or else to the middle. */
function reveal(scroller: HTMLElement, { middle, rowHeight }: Layout, side: Side, index: number) {
  const { scrollTop, clientHeight } = scroller;
  const at = middle[side][index];
  const top = at - rowHeight * 2;
  const bottom = at + rowHeight * 2;
  const away = Math.max(scrollTop - top, bottom - scrollTop - clientHeight);
  if (Number.isNaN(top) || away <= 0) return;
  if (away > rowHeight * 4) scroller.scrollTop = at - clientHeight / 2;
  else scroller.scrollTop = top < scrollTop ? top : bottom - clientHeight;
}

/** A stage that grows with its picture has no height of its own to fill. */
function spaceOf(scroller: HTMLElement | null, { width, height }: { width: number; height: number }) {
  const grows = scroller !== null && getComputedStyle(scroller).flexGrow === "0";
  return { width, height: grows ? null : height };
}

// ---- measures -----------------------------------------------------------------------------

/** Measures tokens in the font of `element`, at 1px. */
function textMeasure(element: HTMLElement | null): (token: Token) => number {
  const context = document.createElement("canvas").getContext("2d")!;
  context.font = `100px ${element ? getComputedStyle(element).fontFamily : "sans-serif"}`;
  return ({ piece }) => context.measureText(plain(piece).slice(0, 40)).width / 100;
}

/** From the pointer's event to the last stroke. */
function measureHover() {
  if (hoverStarts === null) return;
  performance.measure("headscope:hover", { start: hoverStarts });
  hoverStarts = null;
}
