/** Where the matrix view puts things, in CSS pixels, and which part of the pattern it shows. */

/** A rectangle on screen. */
export interface Plot {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Which part of the pattern is in the plot: its corner in cells, and how large a cell is. */
export interface Camera {
  row: number;
  column: number;
  /** Side of a cell in CSS pixels. */
  cell: number;
}

/** Rows and columns of the pattern. */
export interface Extent {
  rows: number;
  columns: number;
}

const LARGEST_FITTED = 44;
const LARGEST = 56;
/** A few rows of very many columns get at least so much height to be looked at closely, and so the other way. */
const LEAST_SIDE = 160;

/** The side of a cell with which all of the pattern fits into `width` by `height`. */
export function fittingCell({ rows, columns }: Extent, width: number, height: number): number {
  return Math.min(LARGEST_FITTED, width / columns, height / rows);
}

/** The rectangle of the cells, of a size for the whole pattern in square cells, in the middle of the room there is. */
export function plotIn({ rows, columns }: Extent, room: Plot): Plot {
  const cell = fittingCell({ rows, columns }, room.width, room.height);
  const side = (count: number, most: number) =>
    Math.max(count * cell, Math.min(LEAST_SIDE, most, count * LARGEST_FITTED));
  const width = side(columns, room.width);
  return { ...room, left: Math.floor(room.left + (room.width - width) / 2), width, height: side(rows, room.height) };
}

/** All of the pattern. */
export function fitted(extent: Extent, plot: Plot): Camera {
  return { row: 0, column: 0, cell: fittingCell(extent, plot.width, plot.height) };
}

/** The camera as near to `camera` as shows no more beyond the pattern than it must. */
export function clamped({ row, column, cell }: Camera, extent: Extent, plot: Plot): Camera {
  const side = Math.max(fittingCell(extent, plot.width, plot.height), Math.min(LARGEST, cell));
  const inside = (at: number, count: number, length: number) =>
    Math.max(0, Math.min(at, count - length / side));
  return {
    row: inside(row, extent.rows, plot.height),
    column: inside(column, extent.columns, plot.width),
    cell: side,
  };
}

/** Zooms by `factor` about a point of the screen: what is there stays there. */
export function zoomed(
  camera: Camera,
  factor: number,
  { x, y }: { x: number; y: number },
  extent: Extent,
  plot: Plot,
): Camera {
  const least = fittingCell(extent, plot.width, plot.height);
  const cell = Math.max(least, Math.min(LARGEST, camera.cell * factor));
  const shift = 1 / camera.cell - 1 / cell;
  return clamped(
    {
      row: camera.row + (y - plot.top) * shift,
      column: camera.column + (x - plot.left) * shift,
      cell,
    },
    extent,
    plot,
  );
}

/** Moves what is seen by so many pixels. */
export function panned(camera: Camera, dx: number, dy: number, extent: Extent, plot: Plot): Camera {
  const { row, column, cell } = camera;
  return clamped({ row: row - dy / cell, column: column - dx / cell, cell }, extent, plot);
}

/** Moves as little as brings a row, a column or both into sight; a far one comes to the middle. */
export function revealing(
  camera: Camera,
  row: number | null,
  column: number | null,
  extent: Extent,
  plot: Plot,
): Camera {
  const toward = (at: number, wanted: number | null, seen: number) => {
    if (wanted === null) return at;
    const margin = Math.min(2, (seen - 1) / 2);
    const [least, most] = [wanted + 1 + margin - seen, wanted - margin];
    if (at >= least && at <= most) return at;
    const far = Math.max(least - at, at - most) > seen / 2;
    return far ? wanted + 0.5 - seen / 2 : at < least ? least : most;
  };
  return clamped(
    {
      row: toward(camera.row, row, plot.height / camera.cell),
      column: toward(camera.column, column, plot.width / camera.cell),
      cell: camera.cell,
    },
    extent,
    plot,
  );
}

/** The row and column under a point of the screen; null for one that lies beside the cells. */
export function cellAt(
  { row, column, cell }: Camera,
  { x, y }: { x: number; y: number },
  { rows, columns }: Extent,
  plot: Plot,
): { row: number | null; column: number | null } {
  const along = (distance: number, length: number, from: number, count: number) => {
    const at = Math.floor(from + distance / cell);
    return distance >= 0 && distance < length && at < count ? at : null;
  };
  return {
    row: along(y - plot.top, plot.height, row, rows),
    column: along(x - plot.left, plot.width, column, columns),
  };
}
