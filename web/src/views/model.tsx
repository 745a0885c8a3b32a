/** The model view: every head at once, as large as the page allows. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { useCell } from "../cell";
import type { Palette } from "../colours";
import {
  type HeadId,
  headName,
  headsInOrder,
  headTitle,
  headNumber,
  layerName,
  metricOf,
  partAt,
  sameHead,
  type Trace,
} from "../model/trace";
import { OrderChoice, short } from "../parts/atlas";
import { px } from "../parts/px";
import { useSize } from "../parts/size";
import type { Picture } from "../picture";
import type { Session } from "../session";
import { DRAWINGS, isolate, show, toggle } from "../state";
import { prepare } from "./paint";
import { drawSheet, thumbnailOf } from "./sheet";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
}

const RULER = { left: 34, top: 20 };
const CELL = { least: 10, most: 132 };
/** A name or a number fits under a cell of this width. */
const NAMED = 54;
/** Fainter lines than this share of the full strength are left out. */
const FAINTEST = 0.16;

export function ModelView({ session, picture, palette }: Props) {
  const { trace, part } = picture;
  const state = useCell(session.state);
  const { drawing } = state;
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width } = useSize(scroller);
  const { heads: order, metric } = useMemo(
    () => headsInOrder(trace, part, state.order),
    [trace, part, state.order],
  );
  const grid = useMemo(() => gridOf(part.heads, order.length, width, metric >= 0), [order, width, metric]);
  const sheet = useMemo(() => drawSheet(trace, palette), [trace, palette]);

  useLayoutEffect(() => {
    if (!canvas.current || !width) return;
    const context = prepare(canvas.current, grid.columns * grid.cell, grid.rows * grid.row);
    order.forEach((id, i) => {
      const { left, top } = placeOf(i, grid);
      if (drawing === "matrices") drawMatrix(context, sheet, trace, id, left, top, grid.size);
      else drawCurves(context, trace, id, left, top, grid.size, palette);
    });
  }, [sheet, order, grid, drawing, palette]);

  const headAt = (event: MouseEvent): HeadId | null => {
    const { left, top } = canvas.current!.getBoundingClientRect();
    const column = Math.floor((event.clientX - left) / grid.cell);
    const row = Math.floor((event.clientY - top) / grid.row);
    return column >= 0 && column < grid.columns ? (order[row * grid.columns + column] ?? null) : null;
  };
  return (
    <>
      <div class="switches">
        <div class="choices" role="group" aria-label="How heads are drawn">
          {DRAWINGS.map((each) => (
            <button
              key={each}
              aria-pressed={drawing === each}
              data-testid={`draw-${each}`}
              onClick={() => session.update((state) => ({ ...state, drawing: each }))}
            >
              {each}
            </button>
          ))}
        </div>
        <OrderChoice session={session} trace={trace} order={state.order} />
        <p class="note">
          {drawing === "matrices"
            ? "rows look, columns are looked at; the largest weight under each cell, √ scale"
            : "left looks at right; width and opacity are the weight, √ scale"}
        </p>
      </div>
      <div
        class="scroller model-view"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label={`All ${order.length} heads. Arrow keys choose one, 1 shows it.`}
        data-testid="model-view"
      >
        {width > 0 && (
          <div
            class="model-grid"
            style={px({
              width: RULER.left + grid.columns * grid.cell,
              height: RULER.top + grid.rows * grid.row,
            })}
          >
            <Labels grid={grid} trace={trace} order={order} metric={metric} focus={state.focus} />
            <div
              class="cells"
              style={px({ left: RULER.left, top: RULER.top })}
              onClick={(event) => {
                const id = headAt(event);
                if (id) session.update((now) => (event.shiftKey ? toggle(now, id) : isolate(now, id)));
              }}
              onDblClick={(event) => {
                const id = headAt(event);
                if (id) session.update((now) => show(isolate(now, id), { view: "head" }, trace));
              }}
            >
              <canvas ref={canvas} data-testid="model-canvas" aria-hidden="true" />
              {state.heads.map((id) => (
                <i
                  key={headName(trace, id)}
                  class={`outline ${sameHead(id, state.focus) ? "focused" : "drawn"}`}
                  style={px({
                    ...placeOf(
                      order.findIndex((other) => sameHead(other, id)),
                      grid,
                    ),
                    width: grid.size,
                    height: grid.size,
                  })}
                />
              ))}
            </div>
          </div>
        )}
      </div>
      <p class="scale-key">
        <span>
          {headTitle(trace, state.focus)}
          {metric >= 0 && `: ${trace.metrics[metric].label} ${metricOf(trace, metric, state.focus).toFixed(2)}`}
        </span>
        <span>Click chooses a head, double-click opens it</span>
      </p>
    </>
  );
}

// ---- the grid -----------------------------------------------------------------------------

interface Grid {
  columns: number;
  rows: number;
  /** From one cell to the next, across and down. */
  cell: number;
  row: number;
  /** Side of the picture in a cell. */
  size: number;
}

/** In the order of layers a row is a layer; in another order the page decides how many are abreast. */
function gridOf(heads: number, count: number, width: number, free: boolean): Grid {
  const room = Math.max(1, width - RULER.left - 28);
  const columns = free ? Math.max(1, Math.min(count, Math.floor(room / Math.max(64, room / heads)))) : heads;
  const cell = Math.max(CELL.least, Math.min(CELL.most, Math.floor(room / columns)));
  const gap = cell >= 40 ? 6 : cell >= 16 ? 2 : 1;
  const label = free && cell >= NAMED ? 16 : 0;
  return { columns, rows: Math.ceil(count / columns), cell, row: cell + label, size: cell - gap };
}

function placeOf(index: number, { columns, cell, row }: Grid): { left: number; top: number } {
  return { left: (index % columns) * cell, top: Math.floor(index / columns) * row };
}

interface LabelsProps {
  grid: Grid;
  trace: Trace;
  order: HeadId[];
  metric: number;
  focus: HeadId;
}

/** Layers and heads at the edges; in another order each head's name and value under it. */
function Labels({ grid, trace, order, metric, focus }: LabelsProps) {
  if (metric >= 0) {
    if (grid.row === grid.cell) return null;
    return (
      <>
        {order.map((id, i) => {
          const { left, top } = placeOf(i, grid);
          return (
            <span
              key={i}
              class="ruler under"
              data-on={sameHead(id, focus)}
              style={px({ left: RULER.left + left, top: RULER.top + top + grid.size + 1, width: grid.size })}
            >
              {headName(trace, id)} <b>{short(metricOf(trace, metric, id))}</b>
            </span>
          );
        })}
      </>
    );
  }
  const every = (space: number) => Math.ceil(space / grid.cell);
  return (
    <div class="rulers" aria-hidden="true">
      {Array.from({ length: grid.columns }, (_, head) => head)
        .filter((head) => head % every(20) === 0)
        .map((head) => (
          <span
            key={`c${head}`}
            class="ruler top"
            data-on={head === focus.head}
            style={px({ left: RULER.left + head * grid.cell, width: grid.size })}
          >
            {headNumber(trace, head)}
          </span>
        ))}
      {Array.from({ length: grid.rows }, (_, row) => row)
        .filter((row) => row % every(13) === 0)
        .map((row) => {
          const { layer } = order[row * grid.columns];
          return (
            <span
              key={`r${row}`}
              class="ruler left"
              data-on={layer === focus.layer}
              style={px({ top: RULER.top + row * grid.row, height: grid.size, width: RULER.left - 9 })}
            >
              {layerName(trace, layer)}
            </span>
          );
        })}
    </div>
  );
}

// ---- one head -----------------------------------------------------------------------------

function drawMatrix(
  context: CanvasRenderingContext2D,
  sheet: HTMLCanvasElement,
  trace: Trace,
  id: HeadId,
  left: number,
  top: number,
  size: number,
) {
  context.imageSmoothingEnabled = size * devicePixelRatio < trace.side * 2;
  context.imageSmoothingQuality = "high";
  context.drawImage(sheet, ...thumbnailOf(trace, id), left, top, size, size);
}

/** A head view without words: lines from the left edge to the right one. */
function drawCurves(
  context: CanvasRenderingContext2D,
  trace: Trace,
  id: HeadId,
  left: number,
  top: number,
  size: number,
  { accent, dark }: Palette,
) {
  const { atlas, side, heads } = trace;
  const { queries, keys } = partAt(trace, id.layer);
  const [rows, columns] = [Math.min(queries.length, side), Math.min(keys.length, side)];
  context.fillStyle = dark ? "#1a1c21" : "#f4f4f1";
  context.fillRect(left, top, size, size);
  context.strokeStyle = accent;
  const start = (id.layer * heads + id.head) * side * side;
  const most = Math.max(rows, columns);
  const y = (i: number) => top + ((i + 0.5) / most) * size;
  const margin = size * 0.08;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const strength = atlas[start + row * side + column] / 255;
      if (strength < FAINTEST) continue;
      context.globalAlpha = strength ** 1.6;
      context.lineWidth = 0.4 + strength * Math.min(1.6, size / 50);
      context.beginPath();
      context.moveTo(left + margin, y(row));
      context.lineTo(left + size - margin, y(column));
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}
