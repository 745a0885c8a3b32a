/** The matrix view: a head's weights as cells, queries down and keys across, from all of them to one. */

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useCell } from "../cell";
import type { Palette } from "../colours";
import { strongest } from "../model/measure";
import { gridOf, hasMask, Margins, sees, SUMMARIES, type Summary, weightAt } from "../model/pyramid";
import { headTitle, type Token } from "../model/trace";
import { isTaken, keyTarget } from "../parts/keys";
import { Piece } from "../parts/piece";
import { useSize } from "../parts/size";
import { activeSlice, type Picture } from "../picture";
import type { Session } from "../session";
import { pin, pinPair, type State } from "../state";
import { type Camera, cellAt, clamped, fitted, type Plot, panned, plotIn, revealing, zoomed } from "./camera";
import { drawCross, drawSentences, outline, partCells, placeOf, WRITTEN, writeWeights } from "./cells";
import { prepare } from "./paint";
import { cssOf, rampOf } from "./ramp";
import {
  BAR,
  type Colours,
  drawActiveLabel,
  drawBars,
  drawBrackets,
  drawLabels,
  type Edge,
  GAP,
  Labels,
  middleOf,
  runsIn,
  SLANT,
} from "./rulers";
import { levelFor, Tiles } from "./tiles";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
}

/** A frame makes tiles and sums rows for so long, then it is drawn with what there is. */
const BUDGET_MS = 6;
/** The first picture of a pattern may take longer, so that it comes at once. */
const FIRST_BUDGET_MS = 60;
/** What one press of + or one click on it does. */
const ZOOM = 1.5;
/** A pointer that moved less was a click. */
const SLACK = 4;

export function MatrixView({ session, picture, palette }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const base = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const size = useSize(frame);
  const [summary, setSummary] = useState<Summary>("max");
  const [level, setLevel] = useState(0);
  const [summed, setSummed] = useState(false);
  const { focus } = useCell(session.state);
  const numbers = useMemo(() => numbersOf(picture), [picture]);
  const scene = useMemo(() => sceneOf(picture, numbers, frame.current, size), [numbers, palette, size]);
  const ratio = devicePixelRatio || 1;
  const ramp = useMemo(() => rampOf(palette.dark), [palette.dark]);
  const { grid, extent, plot } = scene;
  const top = levelFor(fitted(extent, plot).cell * ratio);
  const tiles = useMemo(
    () => new Tiles(grid, summary, picture.scale, ramp, top),
    [numbers, summary, ramp, top],
  );

  // What moves with the pointer is kept out of the components: a frame only draws.
  const camera = useRef<Camera & { fits: boolean }>({ row: 0, column: 0, cell: 1, fits: true });
  const drawing = useRef({ base: (): boolean => true, over: () => {} });
  const pending = useRef({ frame: 0, base: false });
  const request = (all: boolean) => {
    pending.current.base ||= all;
    pending.current.frame ||= requestAnimationFrame(() => {
      const { base: moved } = pending.current;
      pending.current = { frame: 0, base: false };
      if (moved && !drawing.current.base()) request(true);
      drawing.current.over();
    });
  };
  const move = (to: Camera) => {
    camera.current = { ...to, fits: to.cell <= fitted(extent, plot).cell };
    if (base.current) base.current.parentElement!.dataset.zoomed = String(!camera.current.fits);
    setLevel(levelFor(to.cell * ratio));
    request(true);
  };

  useLayoutEffect(() => {
    if (!size.width || !base.current || !over.current) return;
    const { fits } = camera.current;
    const now = fits ? fitted(extent, plot) : clamped(camera.current, extent, plot);
    camera.current = { ...now, fits };
    setLevel(levelFor(now.cell * ratio));
    let budget = FIRST_BUDGET_MS;
    drawing.current.base = () => {
      const end = performance.now() + budget;
      budget = BUDGET_MS;
      const pause = () => performance.now() > end;
      const complete = drawBase(base.current!, scene, tiles, ramp, palette.dark, camera.current, pause);
      setSummed(scene.margins.done);
      return complete;
    };
    drawing.current.over = () => drawOver(over.current!, scene, camera.current, session);
    if (!drawing.current.base()) request(true);
    drawing.current.over();
  }, [scene, tiles, ramp, size]);

  useEffect(() => session.hover.subscribe(() => request(false)), [session]);
  useLayoutEffect(() => {
    const [row, column] = [scene.rowOf(focus.query), scene.columnOf(focus.key)];
    if (row >= 0 || column >= 0) {
      move(revealing(camera.current, row < 0 ? null : row, column < 0 ? null : column, extent, plot));
    }
    request(false);
  }, [focus.query, focus.key, scene]);
  useEffect(() => () => cancelAnimationFrame(pending.current.frame), []);

  const pointer = usePointer(over, scene, camera, move, session);
  const zoom = (factor: number) => move(zoomed(camera.current, factor, centre(scene, camera.current, focus), extent, plot));
  const fit = () => move(fitted(extent, plot));
  useZoomKeys(frame, { "+": () => zoom(ZOOM), "=": () => zoom(ZOOM), "-": () => zoom(1 / ZOOM), "0": fit });

  const title = headTitle(picture.trace, picture.heads[picture.focused]);
  return (
    <>
      <div class="matrix-bar">
        <Readout session={session} picture={picture} scene={scene} summed={summed} />
        {top > 0 && (
          <div class="choices" role="group" aria-label="What a cell of many weights shows">
            {SUMMARIES.map((each) => (
              <button
                key={each}
                aria-pressed={each === summary}
                data-testid={`summary-${each}`}
                onClick={() => setSummary(each)}
              >
                {each}
              </button>
            ))}
          </div>
        )}
        <div class="choices zoom" role="group" aria-label="Zoom">
          <button aria-label="Zoom out" title="Zoom out (−)" data-testid="zoom-out" onClick={() => zoom(1 / ZOOM)}>
            −
          </button>
          <button aria-label="Zoom in" title="Zoom in (+)" data-testid="zoom-in" onClick={() => zoom(ZOOM)}>
            +
          </button>
          <button title="All of it (0)" data-testid="zoom-fit" onClick={fit}>
            fit
          </button>
        </div>
      </div>
      <div class="matrix" ref={frame} data-testid="matrix-view">
        <canvas class="base" ref={base} aria-hidden="true" />
        <canvas
          class="over"
          ref={over}
          tabIndex={0}
          role="application"
          aria-label={`${title}: weights of ${extent.rows} queries, down, on ${extent.columns} keys, across`}
          aria-describedby="matrix-readout"
          data-testid="matrix"
          data-plot={`${plot.left} ${plot.top} ${plot.width} ${plot.height}`}
          onKeyDown={(event) => {
            if (event.key === "Enter") pinStrongest(session, picture);
          }}
          {...pointer}
        />
      </div>
      <Legend picture={picture} scene={scene} ramp={ramp} level={level} summary={summary} />
    </>
  );
}

// ---- words --------------------------------------------------------------------------------

/** The hovered or pinned weight in words and digits. */
function Readout({
  session,
  picture: { part },
  scene,
  summed,
}: {
  session: Session;
  picture: Picture;
  scene: Scene;
  /** Whether the rows and columns have been gone through. */
  summed: boolean;
}) {
  const hover = useCell(session.hover);
  const { focus } = useCell(session.state);
  const slice = activeSlice(hover, focus);
  const { grid, margins, rowOf, columnOf, shows } = scene;
  const [row, column] = [rowOf(slice?.query ?? null), columnOf(slice?.key ?? null)];
  const query = row >= 0 && <Piece of={part.queries[slice!.query!].piece} />;
  const key = column >= 0 && <Piece of={part.keys[slice!.key!].piece} />;
  return (
    <p class="readout" id="matrix-readout" data-testid="readout" aria-live={hover ? "off" : "polite"}>
      {query && key ? (
        <>
          {query} <span class="arrow">→</span> {key}{" "}
          {sees(grid, row, column) ? (
            <strong class="figure">{exact(weightAt(grid, row, column))}</strong>
          ) : (
            <span class="label">hidden from it by the mask</span>
          )}
          {!shows(slice!.query!, slice!.key!) && <span class="label"> filtered out</span>}
        </>
      ) : query ? (
        <>
          {query} <span class="label">attends, entropy</span>{" "}
          <strong class="figure">{summed ? `${margins.entropy[row].toFixed(2)} nats` : "…"}</strong>
        </>
      ) : key ? (
        <>
          {key} <span class="label">receives on average</span>{" "}
          <strong class="figure">{summed ? exact(margins.received[column]) : "…"}</strong>
        </>
      ) : (
        <span class="label">Point at a cell for its weight; click pins, wheel zooms, drag moves</span>
      )}
    </p>
  );
}

/** Four places, or for the smallest as many digits as tell them from 0. */
export function exact(weight: number): string {
  return weight === 0 || weight >= 0.0005 ? weight.toFixed(4) : weight.toExponential(1);
}

function Legend({
  picture: { scale, heads, focused, trace },
  scene,
  ramp,
  level,
  summary,
}: {
  picture: Picture;
  scene: Scene;
  ramp: Uint32Array;
  level: number;
  summary: Summary;
}) {
  const stops = Array.from({ length: 9 }, (_, i) => cssOf(ramp[Math.round((i / 8) * (ramp.length - 1))]));
  const side = 2 ** level;
  return (
    <p class="scale-key ramp-key" data-testid="matrix-key">
      <span>
        0
        <i class="ramp" style={{ background: `linear-gradient(to right, ${stops.join()})` }} />
        {Number(scale.top.toPrecision(3))}, {scale.sqrt ? "√ scale" : "linear"}
      </span>
      {scene.masked && (
        <span>
          <i class="masked" /> masked
        </span>
      )}
      {heads.length > 1 && <span>one head drawn: {headTitle(trace, heads[focused])}</span>}
      <span data-testid="level">
        {level > 0 && `a cell is the ${summary === "max" ? "largest" : "mean"} of ${side} × ${side} weights`}
      </span>
    </p>
  );
}

// ---- the scene ----------------------------------------------------------------------------

/** What there is to draw, and where: everything but the camera. */
type Scene = ReturnType<typeof sceneOf>;

/** The weights as rows and columns, and what is told beside them. */
function numbersOf({ part, shown, weights, focused, trace, heads }: Picture) {
  const grid = gridOf(weights[focused], part, shown, trace.rules[heads[focused].layer].mask);
  return { grid, margins: new Margins(grid), masked: hasMask(grid) };
}

function sceneOf(
  { part, shows, scale }: Picture,
  { grid, margins, masked }: ReturnType<typeof numbersOf>,
  frame: HTMLElement | null,
  size: { width: number; height: number },
) {
  const extent = { rows: grid.queries.length, columns: grid.keys.length };
  const style = getComputedStyle(frame ?? document.body);
  const family = style.fontFamily;
  const narrow = size.width < 520;
  const labels = new Labels(family, narrow ? 66 : 104);
  const edge = (side: Edge["side"], tokens: Token[], shown: Int32Array): Edge => {
    // Room for the places in the text, where labels have them.
    const number = shown.length > 30 ? 10 + 7 * Math.ceil(Math.log10(shown.length)) : 0;
    const longest = labels.widest(tokens, shown) + number;
    return { side, tokens, shown, runs: runsIn(tokens, shown), apart: side === "query" ? 13 : 17, longest };
  };
  const rows = edge("query", part.queries, grid.queries);
  const columns = edge("key", part.keys, grid.keys);
  const bracket = rows.runs.length > 1 ? 26 : 0;
  const left = Math.max(96, rows.longest + GAP + 6 + bracket); // under the labels stands what the bars are
  const top = columns.longest * Math.sin(SLANT) + GAP + 14;
  const right = GAP + BAR + (narrow ? 18 : 34);
  const bottom = GAP + BAR + (columns.runs.length > 1 ? 28 : 4);
  const room: Plot = {
    left,
    top: Math.ceil(top),
    width: Math.max(40, size.width - left - right),
    height: Math.max(40, size.height - Math.ceil(top) - bottom),
  };
  const plot = plotIn(extent, room);
  const colours = (
    ["paper", "raised", "ink", "soft", "quiet", "hair", "accent", "accent-soft", "looked", "looked-soft"] as const
  ).reduce(
    (all, name) => Object.assign(all, { [name]: style.getPropertyValue(`--${name}`).trim() }),
    {} as Colours,
  );
  return {
    grid,
    extent,
    plot,
    size,
    /** Where the brackets of the rows stand. */
    bracket: plot.left - left + 18,
    rows,
    columns,
    labels,
    colours,
    family,
    shows,
    scale,
    masked,
    margins,
    rowOf: placesOf(grid.queries, part.queries.length),
    columnOf: placesOf(grid.keys, part.keys.length),
  };
}

/** From a token's place in the text to its row or column; -1 where it has none. */
function placesOf(shown: Int32Array, count: number): (index: number | null) => number {
  const places = new Int32Array(count).fill(-1);
  shown.forEach((index, place) => (places[index] = place));
  return (index) => (index === null ? -1 : (places[index] ?? -1));
}

/** Everything that stands still while the pointer moves. Whether all of it could be drawn in time. */
function drawBase(
  canvas: HTMLCanvasElement,
  scene: Scene,
  tiles: Tiles,
  ramp: Uint32Array,
  dark: boolean,
  camera: Camera,
  pause: () => boolean,
): boolean {
  const { size, plot, extent, rows, columns, labels, colours, margins, family, grid, scale, shows } = scene;
  const context = prepare(canvas, size.width, size.height);
  context.save();
  context.beginPath();
  context.rect(plot.left, plot.top, plot.width, plot.height);
  context.clip();
  const { a: ratio } = context.getTransform();
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.imageSmoothingEnabled = false;
  const complete = tiles.paint(context, camera, plot, ratio, pause);
  context.restore();
  partCells(context, camera, extent, plot, colours);
  writeWeights(context, grid, camera, extent, plot, scale, ramp, dark, family);
  const runs = { query: rows.runs, key: columns.runs };
  const inFlow = (query: { start: number }, key: { start: number }) =>
    shows(grid.queries[query.start], grid.keys[key.start]);
  drawSentences(context, runs, inFlow, camera, plot, colours);
  context.restore();

  drawLabels(context, rows, labels, camera, plot, colours);
  drawLabels(context, columns, labels, camera, plot, colours);
  drawBrackets(context, rows, scene.bracket, camera, plot, colours, family);
  drawBrackets(context, columns, plot.top + plot.height + GAP + BAR + 9, camera, plot, colours, family);
  if (!margins.done) margins.advance(pause);
  if (margins.done) {
    drawBars(context, rows, margins, camera, plot, colours);
    drawBars(context, columns, margins, camera, plot, colours);
  }
  writeNames(context, scene);
  return complete && margins.done;
}

/** What the sides and the bars are, in the corners. */
function writeNames(context: CanvasRenderingContext2D, { plot, colours, margins, family }: Scene) {
  const [right, bottom] = [plot.left + plot.width + GAP, plot.top + plot.height + GAP];
  const left = plot.left - GAP - 2;
  const write = (words: string, x: number, y: number) => context.fillText(words, x, y);
  context.font = `400 11px ${family}`;
  context.fillStyle = colours.quiet;
  context.textBaseline = "middle";
  context.textAlign = "right";
  write("keys →", left, plot.top - 28);
  write("queries ↓", left, plot.top - 14);
  if (!margins.done) return;
  write("mean received", left, bottom + 6);
  write(`max ${margins.mostReceived.toPrecision(2)}`, left, bottom + 20);
  context.textAlign = "left";
  write("entropy", right, bottom + 6);
  write(`max ${margins.mostEntropy.toFixed(2)}`, right, bottom + 20);
  write("nats", right, bottom + 34);
}

/** What is looked at: under the pointer, or else pinned. */
function drawOver(canvas: HTMLCanvasElement, scene: Scene, camera: Camera, session: Session) {
  const { size, plot, rows, columns, labels, colours, grid, family } = scene;
  const context = prepare(canvas, size.width, size.height);
  const hover = session.hover.value;
  const { focus } = session.state.value;
  const slice = activeSlice(hover, focus);
  const row = scene.rowOf(slice?.query ?? null);
  const column = scene.columnOf(slice?.key ?? null);
  const [pinnedRow, pinnedColumn] = [scene.rowOf(focus.query), scene.columnOf(focus.key)];
  context.save();
  context.beginPath();
  context.rect(plot.left - 3, plot.top - 3, plot.width + 6, plot.height + 6);
  context.clip();
  drawCross(context, row, column, camera, plot, colours);
  if (hover && pinnedRow >= 0 && pinnedColumn >= 0) {
    outline(context, pinnedRow, pinnedColumn, camera, plot, colours.soft, colours.paper);
  }
  context.restore();
  if (row >= 0) drawActiveLabel(context, rows, row, labels, camera, plot, colours);
  if (column >= 0) drawActiveLabel(context, columns, column, labels, camera, plot, colours);
  if (row < 0 || column < 0 || camera.cell >= WRITTEN || !sees(grid, row, column)) return;

  // The number by the cell, on the side where there is room.
  const { x, y } = placeOf(camera, plot);
  const [left, top] = [x(column + 0.5), y(row + 0.5)];
  const text = exact(weightAt(grid, row, column));
  context.font = `600 12.5px ${family}`;
  const width = context.measureText(text).width + 14;
  const away = camera.cell / 2 + 10;
  const tag = {
    x: left + away + width > plot.left + plot.width ? left - away - width : left + away,
    y: top - away - 22 < plot.top ? top + away : top - away - 22,
  };
  context.fillStyle = colours.raised;
  context.strokeStyle = colours.quiet;
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(tag.x, tag.y, width, 22, 6);
  context.fill();
  context.stroke();
  context.fillStyle = colours.ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, tag.x + 7, tag.y + 11.5);
}

/** What keys and buttons zoom about: what is pinned and in sight, or else the middle. */
function centre({ plot, rowOf, columnOf }: Scene, camera: Camera, { query, key }: State["focus"]): Point {
  const [row, column] = [rowOf(query), columnOf(key)];
  return {
    x: (column < 0 ? null : middleOf("key", column, camera, plot)) ?? plot.left + plot.width / 2,
    y: (row < 0 ? null : middleOf("query", row, camera, plot)) ?? plot.top + plot.height / 2,
  };
}

// ---- pointer and keys ---------------------------------------------------------------------

interface Point {
  x: number;
  y: number;
}

/** Hover, click, drag, wheel and pinch. */
function usePointer(
  canvas: RefObject<HTMLCanvasElement | null>,
  scene: Scene,
  camera: RefObject<Camera>,
  move: (to: Camera) => void,
  session: Session,
) {
  const { extent, plot, grid } = scene;
  /** The pointers that are down, and how far they have gone. */
  const down = useRef({ at: new Map<number, Point>(), travelled: 0 });
  const pointOf = (event: MouseEvent): Point => {
    const { left, top } = canvas.current!.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  useEffect(() => {
    const element = canvas.current!;
    // A listener of its own, because only one that is not passive keeps the page from scrolling.
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const factor = Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018));
      move(zoomed(camera.current!, factor, pointOf(event), extent, plot));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [scene]);

  /** The query and the key under a point; a label of either side is over all of its row or column. */
  const under = (point: Point) => {
    const { row, column } = cellAt(camera.current!, point, extent, plot);
    const query = row === null ? null : grid.queries[row];
    const key = column === null ? null : grid.keys[column];
    const beside = point.x >= plot.left + plot.width || point.y >= plot.top + plot.height;
    return (query === null && key === null) || (beside && query !== null && key !== null) ? null : { query, key };
  };
  const hover = (event: PointerEvent) => {
    const now = under(pointOf(event));
    const before = session.hover.value;
    if (now?.query !== before?.query || now?.key !== before?.key) session.hover.set(now);
  };

  return {
    onPointerDown(event: PointerEvent) {
      const { at } = down.current;
      if (at.size === 0) down.current.travelled = 0;
      at.set(event.pointerId, pointOf(event));
      canvas.current!.setPointerCapture(event.pointerId);
    },
    onPointerMove(event: PointerEvent) {
      const { at } = down.current;
      const from = at.get(event.pointerId);
      if (!from) {
        if (event.pointerType !== "touch") hover(event);
        return;
      }
      const to = pointOf(event);
      at.set(event.pointerId, to);
      down.current.travelled += Math.abs(to.x - from.x) + Math.abs(to.y - from.y);
      if (down.current.travelled < SLACK) return;
      const other = [...at].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const between = (point: Point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
        const middle = { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 };
        move(zoomed(camera.current!, between(to) / between(from), middle, extent, plot));
      } else {
        move(panned(camera.current!, to.x - from.x, to.y - from.y, extent, plot));
      }
    },
    onPointerUp(event: PointerEvent) {
      down.current.at.delete(event.pointerId);
    },
    onPointerCancel(event: PointerEvent) {
      down.current.at.delete(event.pointerId);
    },
    onPointerLeave() {
      session.hover.set(null);
    },
    onClick(event: MouseEvent) {
      // The second click of two is a zoom.
      if (down.current.travelled >= SLACK || event.detail > 1) return;
      const at = under(pointOf(event));
      if (!at) return;
      const { query, key } = at;
      session.update((state) =>
        query === null ? pin(state, "key", key!) : key === null ? pin(state, "query", query) : pinPair(state, query, key),
      );
    },
    onDblClick(event: MouseEvent) {
      move(zoomed(camera.current!, 2, pointOf(event), extent, plot));
    },
  };
}

/** Keys that the view has for itself, wherever the focus is. */
function useZoomKeys(frame: RefObject<HTMLElement | null>, keys: Record<string, () => void>) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const { host } = frame.current!.getRootNode() as ShadowRoot;
    const target = keyTarget(host as HTMLElement);
    const listen = (event: Event) => {
      const { key } = event as KeyboardEvent;
      if (isTaken(event as KeyboardEvent) || !Object.hasOwn(latest.current, key)) return;
      event.preventDefault();
      latest.current[key]();
    };
    target.addEventListener("keydown", listen);
    return () => target.removeEventListener("keydown", listen);
  }, []);
}

/** Makes a pair of the pinned token, or of the first query, and what it is most joined to. */
function pinStrongest(session: Session, { weights, focused, part, shown, shows }: Picture) {
  const { query, key } = session.state.value.focus;
  if (query !== null && key !== null) return;
  const from = query ?? (key === null ? shown.query[0] : null);
  const edges = strongest([weights[focused]], part, { query: from, key: from === null ? key : null }, 1, (q, k) => {
    return shown.query.includes(q) && shown.key.includes(k) && shows(q, k);
  });
  if (edges.length) session.update((state) => pinPair(state, edges[0].query, edges[0].key));
}
