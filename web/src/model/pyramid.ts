/** A pattern as it is seen from afar: levels in which a cell stands for a square of cells of the level before. */

import { visibleKeys } from "./attention";
import type { Mask, Sides } from "./trace";

/** What a cell that stands for many weights shows of them. */
export const SUMMARIES = ["max", "mean"] as const;
export type Summary = (typeof SUMMARIES)[number];

/** Cells of a block, along each side. */
export const BLOCK = 256;

/** The weights of one head among the shown tokens: a row per query, a column per key. */
export interface Grid {
  /** [queries, keys], of all tokens. */
  weights: Float32Array;
  /** Whether they are differences, which may be below 0. */
  signed: boolean;
  /** The query of each row, the key of each column. */
  queries: Int32Array;
  keys: Int32Array;
  /** How many keys a row of `weights` has. */
  stride: number;
  /** The columns that each row may see, as [start, end) in turn. */
  sight: Int32Array;
  /** By column: 1 where the key is padding, which nothing sees. */
  padding: Uint8Array;
}

/** Of several masks, as of two heads whose difference is shown, what any of them leaves is there. */
export function gridOf(
  weights: Float32Array,
  sides: Sides,
  shown: Record<"query" | "key", number[]>,
  masks: Mask[],
  signed = false,
): Grid {
  const [queries, keys] = [Int32Array.from(shown.query), Int32Array.from(shown.key)];
  const stride = sides.keys.length;
  // The column of the first shown key from each key on; shown keys are in order.
  const columnFrom = new Int32Array(stride + 1);
  for (let key = 0, column = 0; key <= stride; key++) {
    while (column < keys.length && keys[column] < key) column++;
    columnFrom[key] = column;
  }
  const sight = new Int32Array(2 * queries.length);
  queries.forEach((query, row) => {
    const ranges = masks.map((mask) => visibleKeys(mask, query, stride));
    const start = Math.min(...ranges.map(([from]) => from));
    const end = Math.max(...ranges.map(([, to]) => to));
    sight[2 * row] = columnFrom[Math.min(start, stride)];
    sight[2 * row + 1] = columnFrom[Math.max(0, end)];
  });
  const padding = Uint8Array.from(keys, (key) => (sides.keys[key].mask ? 0 : 1));
  return { weights, signed, queries, keys, stride, sight, padding };
}

/** Whether the model lets the query of a row see the key of a column. */
export function sees({ sight, padding }: Grid, row: number, column: number): boolean {
  return column >= sight[2 * row] && column < sight[2 * row + 1] && !padding[column];
}

export function weightAt({ weights, queries, keys, stride }: Grid, row: number, column: number): number {
  return weights[queries[row] * stride + keys[column]];
}

/** Whether anything is hidden from some row. */
export function hasMask({ sight, keys, padding }: Grid): boolean {
  return sight.some((bound, i) => bound !== (i % 2 ? keys.length : 0)) || padding.includes(1);
}

/**
 * A block of a level: `BLOCK` by `BLOCK` cells, each the largest (of differences the one farthest from 0) or the mean of up
 * to 2^level by 2^level weights; NaN where the model lets nothing be seen. Read from the pattern itself, so that no level between
 * needs to be kept.
 */
export function blockOf(grid: Grid, level: number, y: number, x: number, summary: Summary): Float32Array {
  const { weights, queries, keys, stride, sight, padding } = grid;
  const cells = new Float32Array(BLOCK * BLOCK).fill(Number.NaN);
  const counts = summary === "mean" ? new Uint32Array(BLOCK) : null;
  const sums = new Float64Array(BLOCK);
  const [top, left] = [(y * BLOCK) << level, (x * BLOCK) << level];
  const right = Math.min(keys.length, left + (BLOCK << level));
  for (let i = 0; i < BLOCK; i++) {
    const first = top + (i << level);
    const last = Math.min(queries.length, first + (1 << level));
    if (first >= last) break;
    sums.fill(Number.NaN);
    counts?.fill(0);
    for (let row = first; row < last; row++) {
      const start = Math.max(left, sight[2 * row]);
      const end = Math.min(right, sight[2 * row + 1]);
      const from = queries[row] * stride;
      for (let column = start; column < end; column++) {
        if (padding[column]) continue;
        const weight = weights[from + keys[column]];
        const cell = (column - left) >> level;
        if (counts) {
          sums[cell] = counts[cell]++ ? sums[cell] + weight : weight;
        } else if (!(Math.abs(weight) <= Math.abs(sums[cell]))) {
          sums[cell] = weight;
        }
      }
    }
    for (let cell = 0; cell < BLOCK; cell++) {
      cells[i * BLOCK + cell] = counts ? sums[cell] / counts[cell] : sums[cell];
    }
  }
  return cells;
}

/**
 * What is told beside the picture. Of each column the mean weight received, of each row the entropy in nats; of
 * differences how large they are in the mean, and how far apart two rows are: half the sum, 0 to 1.
 */
export class Margins {
  readonly ofColumns: Float64Array;
  readonly ofRows: Float64Array;
  mostOfColumns = 0;
  mostOfRows = 0;
  /** Rows gone through. */
  private row = 0;

  constructor(private readonly grid: Grid) {
    this.ofColumns = new Float64Array(grid.keys.length);
    this.ofRows = new Float64Array(grid.queries.length);
  }

  get done(): boolean {
    return this.row === this.grid.queries.length;
  }

  /** Goes through rows until all are done or `pause` says to stop; a long text takes a few frames. */
  advance(pause: () => boolean): void {
    const { weights, signed, queries, keys, stride, sight } = this.grid;
    while (!this.done && !pause()) {
      const { row } = this;
      const from = queries[row] * stride;
      let sum = 0;
      for (let column = sight[2 * row]; column < sight[2 * row + 1]; column++) {
        const weight = Math.abs(weights[from + keys[column]]);
        if (weight === 0) continue;
        sum += signed ? weight / 2 : -weight * Math.log(weight);
        this.ofColumns[column] += weight / queries.length;
      }
      this.ofRows[row] = sum;
      this.mostOfRows = Math.max(this.mostOfRows, sum);
      this.row++;
    }
    if (this.done) this.mostOfColumns = this.ofColumns.reduce((most, mean) => Math.max(most, mean), 0);
  }
}
