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

/** The ramp as [STEPS] pixels, red in the lowest byte, as image data has them on little-endian machines. */
export function rampOf(dark: boolean): Uint32Array {
  const [from, middle, to] = dark ? DARK : LIGHT;
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
