/** Every head as a small picture, all on one canvas. */

import type { Palette } from "../colours";
import { type HeadId, partAt, type Trace } from "../model/trace";

/** Keeps the many small weights of a row from veiling the few large ones. */
const CONTRAST = 1.45;

/** All thumbnails side by side, one pixel to a weight. */
export function drawSheet({ atlas, layers, heads, side }: Trace, { dark, accent }: Palette): HTMLCanvasElement {
  const sheet = document.createElement("canvas");
  sheet.width = heads * side;
  sheet.height = layers * side;
  const context = sheet.getContext("2d")!;
  const image = context.createImageData(sheet.width, sheet.height);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = ramp(dark ? [26, 28, 33] : [242, 242, 239], rgb(accent));
  let from = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < side; row++) {
        const to = (layer * side + row) * sheet.width + head * side;
        for (let column = 0; column < side; column++) pixels[to + column] = colours[atlas[from++]];
      }
    }
  }
  context.putImageData(image, 0, 0);
  return sheet;
}

/** 256 colours from `ground` to `full`, as the pixels of an image. */
function ramp(ground: number[], full: number[]): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, level) => {
    const share = (level / 255) ** CONTRAST;
    const [r, g, b] = ground.map((channel, i) => Math.round(channel + (full[i] - channel) * share));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

function rgb(hex: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

/** Where a thumbnail is on the sheet, and how wide and high: it may not fill its square. */
export function thumbnailOf(trace: Trace, { layer, head }: HeadId): [number, number, number, number] {
  const { side } = trace;
  const { queries, keys } = partAt(trace, layer);
  return [head * side, layer * side, Math.min(keys.length, side), Math.min(queries.length, side)];
}
