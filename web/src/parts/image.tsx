/** The image under its patches: a patch that is pointed at shows where it looks, as light on the others. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { useCell } from "../cell";
import type { Palette } from "../colours";
import { largest, patchAt, type PatchImage, placeOf, weightsOf } from "../model/image";
import type { Slice } from "../model/measure";
import { activeSlice, type Picture } from "../picture";
import type { Session } from "../session";
import { pin } from "../state";
import { strengthOf } from "../views/paint";
import { Piece } from "./piece";
import { px } from "./px";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
}

/** The longer side, in CSS pixels. */
const SIDE = 232;
/** So many of the largest weights are printed on their patches. */
const PRINTED = 3;
/** Smaller weights are not printed. */
const LEAST_PRINTED = 0.01;

export function ImagePanel({ session, picture, palette }: Props) {
  const { image, source } = picture.trace;
  const { tokens } = source;
  const hover = useCell(session.hover);
  const { focus } = useCell(session.state);
  const slice = activeSlice(hover, focus);
  const weights = useMemo(
    () => slice && weightsOf(slice, picture.weights, tokens.length),
    [slice?.query, slice?.key, picture],
  );
  if (!image) return null;
  const specials = tokens.flatMap((token, index) => (placeOf(image, index) ? [] : [{ token, index }]));
  const active = slice?.query ?? slice?.key ?? null;
  return (
    <div class="image-panel" data-testid="image-panel">
      <Patches {...{ session, picture, palette, image, weights, active }} />
      <div class="image-words">
        <p class="label" data-testid="image-words">
          {sentence(slice)}
          {weights && ` The brightest patch has ${strongestOf(image, weights).toFixed(3)}.`}
        </p>
        <ul class="image-specials">
          {specials.map(({ token, index }) => (
            <li key={index}>
              <button
                class="chip"
                aria-pressed={focus.query === index}
                data-testid="image-special"
                onPointerEnter={(event) => {
                  if (event.pointerType !== "touch") session.hover.set({ query: index, key: null });
                }}
                onPointerLeave={() => session.hover.set(null)}
                onClick={() => session.update((state) => pin(state, "query", index))}
              >
                <Piece of={token.piece} />
                {weights && <span class="figure">{weights[index].toFixed(3)}</span>}
              </button>
            </li>
          ))}
        </ul>
        <p class="note">
          {image.rows} × {image.columns} patches
        </p>
      </div>
    </div>
  );
}

function sentence(slice: Slice | null): string {
  if (!slice) return "Point at a patch to see where it looks.";
  return slice.query !== null ? "Light falls on what it attends to." : "Light falls on what attends to it.";
}

/** The largest weight of a patch: with a few hundred of them, a scale that ends at 1 would leave all dark. */
function strongestOf(image: PatchImage, weights: Float32Array): number {
  return weights[largest(weights, image.first, 1)[0]];
}

interface PatchesProps extends Props {
  image: PatchImage;
  weights: Float32Array | null;
  active: number | null;
}

function Patches({ session, picture, palette, image, weights, active }: PatchesProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pixels = useMemo(() => pixelsOf(image), [image]);
  const scale = SIDE / Math.max(image.width, image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  const cell = { width: width / image.columns, height: height / image.rows };
  const { shows, scale: drawn } = picture;

  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const ratio = Math.min(3, devicePixelRatio || 1);
    canvas.current!.width = Math.round(width * ratio);
    canvas.current!.height = Math.round(height * ratio);
    context.scale(ratio, ratio);
    context.imageSmoothingEnabled = scale < 2; // a picture of few pixels is shown as it is
    context.drawImage(pixels, 0, 0, width, height);
    if (weights && active !== null) {
      const light = { top: strongestOf(image, weights) || 1, sqrt: drawn.sqrt };
      lighten(context, { image, cell, palette, strength: (token) => strengthOf(weights[token], light) });
    }
    grid(context, image, cell, palette);
    if (active !== null) frame(context, image, cell, active, palette);
  }, [pixels, weights, active, picture, palette, width, height]);

  const under = (event: { currentTarget: EventTarget | null; clientX: number; clientY: number }) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return patchAt(image, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  const labels =
    weights === null
      ? []
      : largest(weights, image.first, PRINTED).filter(
          (token) => weights[token] >= LEAST_PRINTED && token !== active && shows(token, token),
        );
  return (
    <div
      class="patches"
      style={px({ width, height })}
      data-testid="patches"
      onPointerMove={(event) => {
        if (event.pointerType === "touch") return;
        const token = under(event);
        const now = session.hover.value;
        if (token !== null && now?.query !== token) session.hover.set({ query: token, key: null });
      }}
      onPointerLeave={() => session.hover.set(null)}
      onClick={(event) => {
        const token = under(event);
        if (token !== null) session.update((state) => pin(state, "query", token));
      }}
    >
      <canvas ref={canvas} role="img" aria-label={labelOf(picture, image)} style={px({ width, height })} />
      {weights &&
        labels.map((token) => {
          const { row, column } = placeOf(image, token)!;
          const [left, top] = [(column + 0.5) * cell.width, (row + 0.5) * cell.height];
          return (
            <span
              key={token}
              class="patch-weight figure"
              data-testid="patch-weight"
              data-index={token}
              style={px({ left: clamp(left, 19, width - 19), top: clamp(top, 9, height - 9) })}
            >
              {weights[token].toFixed(3)}
            </span>
          );
        })}
    </div>
  );
}

function labelOf(picture: Picture, { rows, columns }: PatchImage): string {
  return `${picture.trace.texts[0] ?? "the image"}, in ${rows} rows and ${columns} columns of patches`;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** The image as something that a canvas can draw in any size. */
function pixelsOf({ height, width, rgb }: PatchImage): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const data = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    data.data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    data.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d")!.putImageData(data, 0, 0);
  return canvas;
}

interface Cell {
  width: number;
  height: number;
}

interface Light {
  image: PatchImage;
  cell: Cell;
  palette: Palette;
  strength: (token: number) => number;
}

/** Darkens what has no weight, and tints what has, so that both stand out on any image. */
function lighten(context: CanvasRenderingContext2D, { image, cell, palette, strength }: Light) {
  for (let patch = 0; patch < image.rows * image.columns; patch++) {
    const x = (patch % image.columns) * cell.width;
    const y = Math.floor(patch / image.columns) * cell.height;
    const share = strength(image.first + patch);
    context.globalAlpha = 0.78 * (1 - share);
    context.fillStyle = "#0b0c10";
    context.fillRect(x, y, cell.width, cell.height);
    context.globalAlpha = 0.5 * share;
    context.fillStyle = palette.looked;
    context.fillRect(x, y, cell.width, cell.height);
  }
  context.globalAlpha = 1;
}

function grid(context: CanvasRenderingContext2D, { rows, columns }: PatchImage, cell: Cell, { paper }: Palette) {
  if (Math.min(cell.width, cell.height) < 5) return; // the lines would be all there is
  context.strokeStyle = paper;
  context.globalAlpha = 0.45;
  context.lineWidth = 0.75;
  context.beginPath();
  for (let column = 1; column < columns; column++) {
    context.moveTo(column * cell.width, 0);
    context.lineTo(column * cell.width, rows * cell.height);
  }
  for (let row = 1; row < rows; row++) {
    context.moveTo(0, row * cell.height);
    context.lineTo(columns * cell.width, row * cell.height);
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** The patch that is pointed at. */
function frame(
  context: CanvasRenderingContext2D,
  image: PatchImage,
  cell: Cell,
  token: number,
  { accent, paper }: Palette,
) {
  const place = placeOf(image, token);
  if (!place) return;
  const box = [place.column * cell.width, place.row * cell.height, cell.width, cell.height] as const;
  for (const [colour, width] of [
    [paper, 4.5],
    [accent, 2.5],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(...box);
  }
}
