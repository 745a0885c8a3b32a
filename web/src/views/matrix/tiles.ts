/** The cells of a pattern as small pictures, made when they are first seen. */

import { BLOCK, blockOf, type Grid, type Summary } from "../../model/pyramid";
import { type Scale, strengthOf } from "../paint";
import { pixelOf } from "./ramp";
import type { Camera, Plot } from "./camera";

/** Tiles kept besides those of the level on which all is seen: 40 MB of pixels. */
const MOST_TILES = 160;

export class Tiles {
  private readonly made = new Map<string, HTMLCanvasElement>();

  constructor(
    private readonly grid: Grid,
    private readonly summary: Summary,
    private readonly scale: Scale,
    private readonly ramp: Uint32Array,
    /** The level on which all is seen. Its tiles stay, to stand in for finer ones. */
    private readonly top: number,
  ) {}

  /**
   * Draws what is in sight. Whether all of it is there: when `pause` says to stop, what has not been made yet
   * is drawn from the top level.
   */
  paint(context: CanvasRenderingContext2D, camera: Camera, plot: Plot, ratio: number, pause: () => boolean) {
    const level = levelFor(camera.cell * ratio, this.top);
    const side = BLOCK << level;
    const [rows, columns] = [this.grid.queries.length, this.grid.keys.length];
    const lastRow = Math.min(rows, camera.row + plot.height / camera.cell);
    const lastColumn = Math.min(columns, camera.column + plot.width / camera.cell);
    let complete = true;
    for (let y = Math.floor(camera.row / side); y * side < lastRow; y++) {
      for (let x = Math.floor(camera.column / side); x * side < lastColumn; x++) {
        const ready = this.made.has(keyOf(level, y, x)) || !pause();
        complete &&= ready;
        const from = ready ? level : this.top;
        const apart = from - level;
        const tile = this.tile(from, y >> apart, x >> apart, ready || !pause());
        if (!tile) continue;
        // The part of the tile that is in the grid, and of a coarser one, that is meant.
        const [top, left] = [y * side, x * side];
        const [bottom, right] = [Math.min(rows, top + side), Math.min(columns, left + side)];
        const [sy, sx] = [(top >> from) % BLOCK, (left >> from) % BLOCK];
        const cell = 1 << from;
        const at = (position: number) => Math.round(position * ratio);
        const x0 = at(plot.left + (left - camera.column) * camera.cell);
        const x1 = at(plot.left + (right - camera.column) * camera.cell);
        const y0 = at(plot.top + (top - camera.row) * camera.cell);
        const y1 = at(plot.top + (bottom - camera.row) * camera.cell);
        context.drawImage(
          tile,
          sx,
          sy,
          (right - left) / cell,
          (bottom - top) / cell,
          x0,
          y0,
          x1 - x0,
          y1 - y0,
        );
      }
    }
    return complete;
  }

  private tile(level: number, y: number, x: number, make: boolean): HTMLCanvasElement | null {
    const key = keyOf(level, y, x);
    const known = this.made.get(key);
    if (known) {
      this.made.delete(key);
      this.made.set(key, known); // the last to be thrown away
      return known;
    }
    if (!make) return null;
    const tile = this.draw(blockOf(this.grid, level, y, x, this.summary));
    this.made.set(key, tile);
    for (const old of this.made.keys()) {
      if (this.made.size <= MOST_TILES) break;
      if (!old.startsWith(`${this.top} `)) this.made.delete(old);
    }
    return tile;
  }

  private draw(cells: Float32Array): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = BLOCK;
    const context = canvas.getContext("2d")!;
    const image = context.createImageData(BLOCK, BLOCK);
    const pixels = new Uint32Array(image.data.buffer);
    cells.forEach((weight, i) => {
      // What is masked stays clear.
      if (Number.isNaN(weight)) return;
      pixels[i] = pixelOf(this.ramp, strengthOf(Math.abs(weight), this.scale), weight < 0);
    });
    context.putImageData(image, 0, 0);
    return canvas;
  }
}

/** The finest level of which a cell fills a pixel, when one of the pattern has `pixels`. */
export function levelFor(pixels: number, top = 30): number {
  return Math.max(0, Math.min(top, Math.ceil(-Math.log2(pixels) - 1e-9)));
}

function keyOf(level: number, y: number, x: number): string {
  return `${level} ${y} ${x}`;
}
