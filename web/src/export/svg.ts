/**
 * The picture on screen as a drawing that scales: every element's ground, border and text where the browser
 * has put them. A canvas whose painter is known is drawn again as curves, any other as an image.
 */

/** Draws what is on a canvas, in CSS pixels from its upper left corner. */
export type Painter = (context: CanvasRenderingContext2D) => void;

const painters = new WeakMap<HTMLCanvasElement, Painter>();

/** Says how a canvas is painted, so that an export need not copy its pixels. */
export function paintedBy(canvas: HTMLCanvasElement, painter: Painter): void {
  painters.set(canvas, painter);
}

/** `element` as an SVG document, with `title` for those who cannot see it. */
export function toSvg(element: HTMLElement, title: string, paper: string): string {
  const { left, top, width, height } = element.getBoundingClientRect();
  const drawing = new Drawing(left, top, { left, top, right: left + width, bottom: top + height });
  drawing.element(element);
  const family = escape(getComputedStyle(element).fontFamily);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}" font-family="${family}">`,
    `<title>${escape(title)}</title>`,
    `<rect width="100%" height="100%" fill="${paper}"/>`,
    ...drawing.parts,
    "</svg>",
  ].join("\n");
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

class Drawing {
  readonly parts: string[] = [];
  private clips = 0;

  constructor(
    private readonly left: number,
    private readonly top: number,
    private sight: Box,
  ) {}

  element(element: Element): void {
    const style = getComputedStyle(element);
    if (style.display === "none" || style.visibility === "hidden" || isUnseen(element)) return;
    const box = element.getBoundingClientRect();
    if (style.display !== "contents" && box.width * box.height > 0 && !this.isInSight(box)) return;
    const faded = Number(style.opacity) < 1;
    if (faded) this.parts.push(`<g opacity="${style.opacity}">`);
    if (element instanceof HTMLCanvasElement) this.canvas(element, box);
    else if (element instanceof SVGSVGElement) this.svg(element, box, style);
    else this.box(element, box, style);
    if (faded) this.parts.push("</g>");
  }

  /** A ground, borders, the pieces of text before and behind, and what is inside. */
  private box(element: Element, box: DOMRect, style: CSSStyleDeclaration): void {
    const rects = style.display === "inline" ? [...element.getClientRects()] : [box];
    for (const rect of rects) this.ground(rect, style);
    const clips = style.overflowX !== "visible" && element.scrollHeight + element.scrollWidth > 0;
    const before = this.sight;
    if (clips) {
      this.sight = intersect(before, box);
      const id = `clip${++this.clips}`;
      const { left, top, right, bottom } = this.sight;
      this.parts.push(
        `<clipPath id="${id}"><rect ${this.place(left, top, right - left, bottom - top)}/></clipPath><g clip-path="url(#${id})">`,
      );
    }
    this.generated(element, box, "::before");
    for (const child of element.childNodes) {
      if (child instanceof Element) this.element(child);
      else if (child instanceof Text) this.text(child, style);
    }
    this.generated(element, box, "::after");
    if (clips) this.parts.push("</g>");
    this.sight = before;
  }

  private ground(rect: DOMRect, style: CSSStyleDeclaration): void {
    const { left, top, width, height } = rect;
    const radius = Math.min(Number.parseFloat(style.borderTopLeftRadius) || 0, width / 2, height / 2);
    const fill = isClear(style.backgroundColor) ? gradientColour(style.backgroundImage) : style.backgroundColor;
    if (fill && !isClear(fill)) {
      this.parts.push(`<rect ${this.place(left, top, width, height)} rx="${round(radius)}" ${colour("fill", fill)}/>`);
    }
    const side = (name: "Top" | "Right" | "Bottom" | "Left") => ({
      width: Number.parseFloat(style[`border${name}Width`]) || 0,
      colour: style[`border${name}Color`],
    });
    const line = (x: number, y: number, w: number, h: number, stroke: string) => {
      if (w > 0 && h > 0 && !isClear(stroke)) {
        this.parts.push(`<rect ${this.place(x, y, w, h)} ${colour("fill", stroke)}/>`);
      }
    };
    const [t, r, b, l] = [side("Top"), side("Right"), side("Bottom"), side("Left")];
    line(left, top, width, t.width, t.colour);
    line(left, rect.bottom - b.width, width, b.width, b.colour);
    line(left, top, l.width, height, l.colour);
    line(rect.right - r.width, top, r.width, height, r.colour);
    const ring = /^(rgb[^)]*\)|color\([^)]*\)|#\w+) 0px 0px 0px ([\d.]+)px/.exec(style.boxShadow);
    if (ring) {
      const more = Number(ring[2]) / 2;
      this.parts.push(
        `<rect ${this.place(left - more, top - more, width + 2 * more, height + 2 * more)} rx="${round(radius)}" fill="none" ${colour("stroke", ring[1])} stroke-width="${ring[2]}"/>`,
      );
    }
  }

  /** A line of text at a time, as the browser has broken it. */
  private text(node: Text, style: CSSStyleDeclaration): void {
    const range = document.createRange();
    for (const line of linesOf(node, range)) {
      range.setStart(node, line.start);
      range.setEnd(node, line.end);
      const box = range.getBoundingClientRect();
      const words = node.data.slice(line.start, line.end).replace(/\s+/g, " ");
      if (!words.trim() || !this.isInSight(box)) continue;
      this.words(words, box, style);
    }
  }

  private words(words: string, { left, top, right, bottom, width }: Box & { width?: number }, style: CSSStyleDeclaration): void {
    const size = Number.parseFloat(style.fontSize);
    const rtl = style.direction === "rtl";
    // The baseline, as good as fonts agree on it.
    const base = (top + bottom) / 2 + size * 0.35;
    const weight = Number(style.fontWeight) > 450 ? ` font-weight="${style.fontWeight}"` : "";
    const fitted = width ? ` textLength="${round(width)}" lengthAdjust="spacingAndGlyphs"` : "";
    this.parts.push(
      `<text x="${round((rtl ? right : left) - this.left)}" y="${round(base - this.top)}" font-size="${size}"${weight}${rtl ? ' direction="rtl"' : ""}${fitted} ${colour("fill", style.color)} xml:space="preserve">${escape(words)}</text>`,
    );
  }

  /** Text that the style sheet adds: numbers over a token. Its place can only be told from the styles. */
  private generated(element: Element, box: DOMRect, which: "::before" | "::after"): void {
    const style = getComputedStyle(element, which);
    const words = /^"(.*)"$/.exec(style.content)?.[1];
    if (!words || style.position !== "absolute") return;
    const size = Number.parseFloat(style.fontSize);
    const top = box.top + (Number.parseFloat(style.top) || 0);
    const middle = box.left + box.width / 2;
    this.parts.push(
      `<text x="${round(middle - this.left)}" y="${round(top + size - this.top)}" font-size="${size}" text-anchor="middle" ${colour("fill", style.color)}>${escape(words)}</text>`,
    );
  }

  private canvas(canvas: HTMLCanvasElement, box: DOMRect): void {
    if (!box.width || !box.height || !canvas.width) return;
    const painter = painters.get(canvas);
    if (painter) {
      const recorder = new Recorder();
      painter(recorder as unknown as CanvasRenderingContext2D);
      const shift = `translate(${round(box.left - this.left)} ${round(box.top - this.top)})`;
      this.parts.push(`<g transform="${shift}" fill="none" stroke-linecap="round">`, ...recorder.parts, "</g>");
    } else {
      this.parts.push(
        `<image ${this.place(box.left, box.top, box.width, box.height)} preserveAspectRatio="none" href="${canvas.toDataURL()}"/>`,
      );
    }
  }

  private svg(svg: SVGSVGElement, box: DOMRect, style: CSSStyleDeclaration): void {
    const copy = svg.cloneNode(true) as SVGSVGElement;
    const from = [svg, ...svg.querySelectorAll("*")];
    // Styles of a sheet do not travel with the nodes.
    [copy, ...copy.querySelectorAll("*")].forEach((node, i) => {
      const { fill, stroke, strokeWidth, strokeOpacity, fillOpacity } = getComputedStyle(from[i]);
      for (const [name, value] of Object.entries({ fill, stroke, "stroke-width": strokeWidth, "stroke-opacity": strokeOpacity, "fill-opacity": fillOpacity })) {
        node.setAttribute(name, value);
      }
      node.removeAttribute("class");
    });
    copy.setAttribute("x", String(round(box.left - this.left)));
    copy.setAttribute("y", String(round(box.top - this.top)));
    copy.setAttribute("width", String(round(box.width)));
    copy.setAttribute("height", String(round(box.height)));
    copy.setAttribute("color", style.color);
    this.parts.push(new XMLSerializer().serializeToString(copy));
  }

  private place(left: number, top: number, width: number, height: number): string {
    return `x="${round(left - this.left)}" y="${round(top - this.top)}" width="${round(width)}" height="${round(height)}"`;
  }

  private isInSight({ left, top, right, bottom }: Box): boolean {
    const { sight } = this;
    return right > sight.left && left < sight.right && bottom > sight.top && top < sight.bottom;
  }
}

/** Writes down what is drawn, as far as curves and lines need it. */
class Recorder {
  readonly parts: string[] = [];
  strokeStyle = "#000";
  fillStyle = "#000";
  globalAlpha = 1;
  lineWidth = 1;
  lineCap = "round";
  private path = "";
  private dash = "";
  private shift: [number, number] = [0, 0];

  translate(x: number, y: number): void {
    this.shift = [this.shift[0] + x, this.shift[1] + y];
  }

  setLineDash(dash: number[]): void {
    this.dash = dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : "";
  }

  beginPath(): void {
    this.path = "";
  }

  moveTo(x: number, y: number): void {
    this.path += `M${this.at(x, y)}`;
  }

  lineTo(x: number, y: number): void {
    this.path += `L${this.at(x, y)}`;
  }

  bezierCurveTo(a: number, b: number, c: number, d: number, x: number, y: number): void {
    this.path += `C${this.at(a, b)} ${this.at(c, d)} ${this.at(x, y)}`;
  }

  stroke(): void {
    this.parts.push(
      `<path d="${this.path}" ${colour("stroke", this.strokeStyle)} stroke-opacity="${round(this.globalAlpha, 3)}" stroke-width="${round(this.lineWidth, 2)}"${this.dash}/>`,
    );
  }

  private at(x: number, y: number): string {
    return `${round(x + this.shift[0])} ${round(y + this.shift[1])}`;
  }
}

/** Places where the browser breaks a text node into lines. */
function linesOf(node: Text, range: Range): { start: number; end: number }[] {
  const { length } = node.data;
  range.selectNodeContents(node);
  if (range.getClientRects().length < 2) return [{ start: 0, end: length }];
  const lines: { start: number; end: number }[] = [];
  let [start, last] = [0, Number.NaN];
  for (let at = 0; at < length; at++) {
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    const { top, height } = range.getBoundingClientRect();
    if (height === 0) continue;
    if (Math.abs(top - last) > height / 2) {
      if (at > start) lines.push({ start, end: at });
      start = at;
    }
    last = top;
  }
  lines.push({ start, end: length });
  return lines;
}

/** Text for those who listen alone. */
function isUnseen(element: Element): boolean {
  return element.classList.contains("unseen") || element.tagName === "OPTION";
}

function intersect(a: Box, b: Box): Box {
  return {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
}

function isClear(value: string): boolean {
  return value === "transparent" || /[,/] ?0(?:\.0+)?\)$/.test(value);
}

/** The colour of a ground that is written as a gradient from it to itself. */
function gradientColour(image: string): string | null {
  return /^linear-gradient\(((?:rgba?|color)\([^)]*\))/.exec(image)?.[1] ?? null;
}

/** A computed colour as an attribute that every reader of SVG knows. */
function colour(name: "fill" | "stroke", value: string): string {
  const mixed = /^color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)(?: \/ ([\d.e-]+))?\)$/.exec(value);
  const plain = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)$/.exec(value);
  const found = mixed ? mixed.slice(1, 4).map((part) => Math.round(Number(part) * 255)) : plain?.slice(1, 4);
  if (!found) return `${name}="${escape(value)}"`;
  const opacity = (mixed ?? plain)![4];
  const rgb = `${name}="rgb(${found.join(",")})"`;
  return opacity === undefined ? rgb : `${rgb} ${name}-opacity="${round(Number(opacity), 3)}"`;
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

function escape(text: string): string {
  const named: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text
    .replace(/[&<>"]/g, (character) => named[character])
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd"); // XML has no way to write these
}
