/** The colours of weights: from the paper over the accent to deep ink, in even steps of lightness. */

/** Steps of a ramp. */
export const STEPS = 256;

type Lch = [lightness: number, chroma: number, hue: number];

// OKLCH. Lightness falls (on dark paper: rises) evenly from end to end, chroma swells towards the accent;
// weight 0 is set off a little from the paper, on which what is masked leaves no cell at all.
const LIGHT: [from: Lch, middle: Lch, to: Lch] = [
  [0.955, 0.012, 262],
  [0.585, 0.185, 262],
  [0.215, 0.09, 270],
];
const DARK: [from: Lch, middle: Lch, to: Lch] = [
  [0.245, 0.022, 265],
  [0.605, 0.155, 263],
  [0.965, 0.035, 250],
];

// Of differences, what is below 0 goes over the other accent.
const LIGHT_BELOW: typeof LIGHT = [
  [0.955, 0.012, 60],
  [0.63, 0.155, 55],
  [0.27, 0.075, 45],
];
const DARK_BELOW: typeof DARK = [
  [0.245, 0.022, 60],
  [0.63, 0.135, 60],
  [0.955, 0.045, 80],
];

/** The ramp as [STEPS] pixels, red in the lowest byte, as image data has them on little-endian machines. */
export function rampOf(dark: boolean): Uint32Array {
  return pixelsOf(dark ? DARK : LIGHT);
}

/** The ramp of differences from −1 to 1, [2 · STEPS − 1], with 0 in the middle. */
export function rampOfDifferences(dark: boolean): Uint32Array {
  const below = pixelsOf(dark ? DARK_BELOW : LIGHT_BELOW).subarray(1);
  return Uint32Array.from([...below.reverse(), ...rampOf(dark)]);
}

/** The colour in a ramp, or in a ramp of differences, of a weight as strong as `strength`, 0 to 1. */
export function pixelOf(ramp: Uint32Array, strength: number, negative: boolean): number {
  const step = Math.round(strength * (STEPS - 1));
  return ramp[ramp.length - STEPS + (negative ? -step : step)];
}

function pixelsOf([from, middle, to]: [from: Lch, middle: Lch, to: Lch]): Uint32Array {
  return Uint32Array.from({ length: STEPS }, (_, step) => {
    const share = step / (STEPS - 1);
    const lightness = from[0] + (to[0] - from[0]) * share;
    const [a, b] = share < 0.5 ? [from, middle] : [middle, to];
    const part = share < 0.5 ? share * 2 : share * 2 - 1;
    const [chroma, hue] = [a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part];
    const [red, green, blue] = toRgb([lightness, chroma, hue]);
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

/** A step of a ramp as CSS has it. */
export function cssOf(pixel: number): string {
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
}

/** OKLCH to sRGB (Björn Ottosson, https://bottosson.github.io/posts/oklab/). */
function toRgb([lightness, chroma, hue]: Lch): number[] {
  const angle = (hue * Math.PI) / 180;
  const [a, b] = [chroma * Math.cos(angle), chroma * Math.sin(angle)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((linear) => {
    const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
    return Math.round(255 * Math.min(1, Math.max(0, value)));
  });
}
