/** The atlas: every head of the model as a thumbnail of its pattern, always at hand. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useCell } from "../cell";
import { headInk, type Palette } from "../colours";
import {
  type HeadId,
  headName,
  headsInOrder,
  headTitle,
  headNumber,
  layerName,
  metricOf,
  type Part,
  partAt,
  sameHead,
  type Trace,
} from "../model/trace";
import type { Session } from "../session";
import { isolate, toggle } from "../state";
import { prepare } from "../views/paint";
import { drawSheet, thumbnailOf } from "../views/sheet";
import { px } from "./px";
import { byRank, ordinal } from "./rank";
import { useSize } from "./size";

interface Props {
  session: Session;
  trace: Trace;
  part: Part;
  palette: Palette;
}

/** Room for the numbers at the left and above. */
const RULER = { left: 24, top: 18 };
const LARGEST_CELL = 56;
const CARD = { width: 236, picture: 208, height: 330 };

export function Atlas({ session, trace, part, palette }: Props) {
  const state = useCell(session.state);
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width } = useSize(box);
  const [hovered, setHovered] = useState<HeadId | null>(null);
  const { heads: order, metric } = useMemo(
    () => headsInOrder(trace, part, state.order),
    [trace, part, state.order],
  );
  const grid = useMemo(() => gridOf(part, width), [part.layers.length, part.heads, width]);
  const sheet = useMemo(() => drawSheet(trace, palette), [trace, palette]);

  useLayoutEffect(() => {
    if (canvas.current && width) drawAtlas(canvas.current, sheet, order, grid, trace);
  }, [sheet, order, grid]);

  const headAt = (event: MouseEvent): HeadId | null => {
    const { left, top } = canvas.current!.getBoundingClientRect();
    const column = Math.floor((event.clientX - left) / grid.cell);
    const row = Math.floor((event.clientY - top) / grid.cell);
    const inside = column >= 0 && column < grid.columns && row >= 0;
    return inside ? (order[row * grid.columns + column] ?? null) : null;
  };
  const select = (event: MouseEvent) => {
    const id = headAt(event);
    if (id) session.update((now) => (event.shiftKey ? toggle(now, id) : isolate(now, id)));
  };
  const alone = (event: MouseEvent) => {
    const id = headAt(event);
    if (id) session.update((now) => isolate(now, id));
  };
  const hover = (event: PointerEvent) => {
    const id = event.pointerType === "touch" ? null : headAt(event);
    if (!hovered || !id || !sameHead(hovered, id)) setHovered(id);
  };
  const place = (id: HeadId) =>
    placeOf(
      order.findIndex((other) => sameHead(other, id)),
      grid,
    );
  const { focus } = state;
  return (
    <section class="atlas" aria-label="All heads">
      <div class="heading">
        <h2>All heads</h2>
        <OrderChoice session={session} trace={trace} order={state.order} />
      </div>
      <div
        class="thumbnails"
        ref={box}
        role="grid"
        tabIndex={0}
        aria-label={`${count(part.layers.length, "layer")} by ${count(part.heads, "head")}. Arrow keys choose, with Shift they add.`}
        aria-rowcount={part.layers.length}
        aria-colcount={part.heads}
        aria-activedescendant="atlas-focus"
        aria-multiselectable="true"
        data-testid="atlas"
        data-heads={order.length}
        style={px({ height: RULER.top + grid.rows * grid.cell + 2 })}
      >
        <div role="row" aria-rowindex={part.layers.indexOf(focus.layer) + 1} class="unseen">
          <div role="gridcell" id="atlas-focus" aria-colindex={focus.head + 1} aria-selected="true">
            {headTitle(trace, focus)}
          </div>
        </div>
        {width > 0 && (
          <Rulers grid={grid} trace={trace} order={order} metric={metric} focus={metric < 0 ? focus : null} />
        )}
        <div
          class="cells"
          style={px({ left: RULER.left, top: RULER.top, width: grid.columns * grid.cell })}
          onClick={select}
          onDblClick={alone}
          onPointerMove={hover}
          onPointerLeave={() => setHovered(null)}
        >
          <canvas ref={canvas} data-testid="atlas-canvas" aria-hidden="true" />
          {width > 0 &&
            state.heads.map((id, i) => (
              <Outline
                key={headName(trace, id)}
                place={place(id)}
                grid={grid}
                kind={sameHead(id, focus) ? "focused" : "drawn"}
                colour={state.heads.length > 1 ? headInk(i, state.heads.length, palette).colour : undefined}
              />
            ))}
          {hovered && <Outline place={place(hovered)} grid={grid} kind="hovered" />}
        </div>
      </div>
      {hovered && canvas.current && (
        <Card
          trace={trace}
          id={hovered}
          sheet={sheet}
          corner={cardCorner(canvas.current, place(hovered), grid)}
        />
      )}
    </section>
  );
}

function count(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? "" : "s"}`;
}

export function OrderChoice({ session, trace, order }: { session: Session; trace: Trace; order: string }) {
  return (
    <select
      aria-label="Order of the heads"
      data-testid="order"
      value={order}
      onChange={(event) => {
        const { value } = event.currentTarget;
        session.update((state) => ({ ...state, order: value }));
      }}
    >
      <option value="layer">by layer</option>
      {trace.metrics.map(({ key, label }) => (
        <option key={key} value={key}>
          by {label}
        </option>
      ))}
    </select>
  );
}

// ---- the grid -----------------------------------------------------------------------------

interface Grid {
  columns: number;
  rows: number;
  /** Side of a cell with its gap. */
  cell: number;
  gap: number;
}

function gridOf({ layers, heads }: Part, width: number): Grid {
  const cell = Math.max(3, Math.min(LARGEST_CELL, (width - RULER.left) / heads));
  return { columns: heads, rows: layers.length, cell, gap: cell >= 14 ? 2 : cell >= 7 ? 1 : 0 };
}

function placeOf(index: number, { columns, cell }: Grid): { left: number; top: number } {
  return { left: Math.round((index % columns) * cell), top: Math.round(Math.floor(index / columns) * cell) };
}

function sizeOf({ cell, gap }: Grid): number {
  return Math.max(2, Math.floor(cell) - gap + (gap ? 0 : 1));
}

/** Layer and head numbers; in another order, each row's first value. */
function Rulers({
  grid,
  trace,
  order,
  metric,
  focus,
}: {
  grid: Grid;
  trace: Trace;
  order: HeadId[];
  metric: number;
  focus: HeadId | null;
}) {
  const every = (space: number) => Math.ceil(space / grid.cell);
  const rows = Array.from({ length: grid.rows }, (_, row) => row).filter((row) => row % every(13) === 0);
  const columns = Array.from({ length: grid.columns }, (_, column) => column).filter(
    (column) => column % every(20) === 0,
  );
  const first = (row: number) => order[row * grid.columns];
  return (
    <div class="rulers" aria-hidden="true">
      {metric < 0 &&
        columns.map((column) => (
          <span
            key={`c${column}`}
            class="ruler top"
            data-on={column === focus?.head}
            style={px({ left: RULER.left + column * grid.cell, width: grid.cell })}
          >
            {headNumber(trace, column)}
          </span>
        ))}
      {rows.map((row) => (
        <span
          key={`r${row}`}
          class="ruler left"
          data-on={first(row)?.layer === focus?.layer}
          style={px({ top: RULER.top + row * grid.cell, height: grid.cell, width: RULER.left - 7 })}
        >
          {metric < 0 ? layerName(trace, first(row).layer) : short(metricOf(trace, metric, first(row)))}
        </span>
      ))}
    </div>
  );
}

export function short(value: number): string {
  if (Number.isNaN(value)) return "";
  return value < 1 ? value.toFixed(2).replace(/^0/, "") : value.toFixed(1);
}

function Outline({
  place,
  grid,
  kind,
  colour,
}: {
  place: { left: number; top: number };
  grid: Grid;
  kind: string;
  colour?: string;
}) {
  const size = sizeOf(grid);
  return (
    <i class={`outline ${kind}`} style={{ ...px({ ...place, width: size, height: size }), color: colour }} />
  );
}

// ---- thumbnails ---------------------------------------------------------------------------

function drawAtlas(
  canvas: HTMLCanvasElement,
  sheet: HTMLCanvasElement,
  order: HeadId[],
  grid: Grid,
  trace: Trace,
) {
  const context = prepare(canvas, grid.columns * grid.cell, grid.rows * grid.cell);
  const size = sizeOf(grid);
  context.imageSmoothingEnabled = size * devicePixelRatio < trace.side * 3;
  context.imageSmoothingQuality = "high";
  order.forEach((id, i) => {
    const { left, top } = placeOf(i, grid);
    context.drawImage(sheet, ...thumbnailOf(trace, id), left, top, size, size);
  });
}

// ---- the preview --------------------------------------------------------------------------

function cardCorner(canvas: HTMLElement, place: { top: number }, grid: Grid): { left: number; top: number } {
  const area = canvas.getBoundingClientRect();
  const right = area.left + grid.columns * grid.cell + 14;
  const left = right + CARD.width < innerWidth ? right : Math.max(8, innerWidth - CARD.width - 8);
  const top = area.top + place.top - 12;
  return { left, top: Math.max(8, Math.min(top, innerHeight - CARD.height - 8)) };
}

/** One head enlarged, with what it ranks highest in. */
function Card({
  trace,
  id,
  sheet,
  corner,
}: {
  trace: Trace;
  id: HeadId;
  sheet: HTMLCanvasElement;
  corner: { left: number; top: number };
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const { picture } = CARD;
    const context = prepare(canvas.current!, picture, picture);
    context.imageSmoothingEnabled = false;
    context.drawImage(sheet, ...thumbnailOf(trace, id), 0, 0, picture, picture);
  }, [sheet, id]);
  const part = partAt(trace, id.layer);
  const high = (part.layers.length * part.heads) / 10;
  const best = byRank(trace, id).filter(({ rank }, i) => i === 0 || (i < 3 && rank <= high));
  return (
    <div class="card" style={px(corner)} data-testid="card">
      <strong>{headTitle(trace, id)}</strong>
      <canvas ref={canvas} />
      <p class="axes">rows look, columns are looked at</p>
      {best.map(({ metric, value, rank }) => (
        <p key={metric.key} class="row">
          <span>{metric.label}</span>
          <span class="figure">{value.toFixed(2)}</span>
          <span class="rank">{ordinal(rank)}</span>
        </p>
      ))}
    </div>
  );
}
