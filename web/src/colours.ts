/** Colours that canvases need. The rest of the palette is in theme.css; both are read from there. */

import type { Ink } from "./views/paint";

export interface Palette {
  dark: boolean;
  paper: string;
  accent: string;
  looked: string;
}

export function readPalette(host: HTMLElement, dark: boolean): Palette {
  const style = getComputedStyle(host);
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return { dark, paper: read("paper"), accent: read("accent"), looked: read("looked") };
}

// Eight hues that people with each kind of colour blindness can tell apart, a darker and a
// lighter tone of each; the second eight are dashed as well, so that colour is not all they have.
const LIGHT = ["#2b63d9", "#d05a00", "#00795b", "#a1348f", "#8a6a00", "#c3274f", "#0e7fa8", "#4d4f57"];
const LIGHT_MORE = ["#6f9bf5", "#f09a52", "#3db391", "#cf7cc2", "#c7a332", "#ec7f98", "#57b6d8", "#8f929c"];
const DARK = ["#7aa5ff", "#ffac5e", "#4fd0a8", "#e08fd4", "#e3c552", "#ff8fa6", "#63c7ec", "#c6c8d0"];
const DARK_MORE = ["#4f78d1", "#cc7f38", "#2f977a", "#b0629f", "#a98d2c", "#cf5f78", "#3893b5", "#8d9099"];

/** How the head of number `index` among those drawn looks; a head drawn alone has the accent. */
export function headInk(index: number, count: number, { dark, accent }: Palette): Ink {
  if (count === 1) return { colour: accent, dashed: false };
  const colours = dark ? [...DARK, ...DARK_MORE] : [...LIGHT, ...LIGHT_MORE];
  return { colour: colours[index % colours.length], dashed: index % 16 >= 8 };
}
