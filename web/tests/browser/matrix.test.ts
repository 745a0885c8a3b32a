/** The matrix view in a real browser: what is under the pointer, zoom, keys, and long texts. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Browser, Page } from "playwright-core";
import { exportModel, exportPage, launch, link, type Opened, twoStacks, visits } from "./headscope";
import { exact } from "../../src/views/matrix/exact";
import { serveSynthetic } from "./synthetic";

const PIECES = "[CLS] the cat sat on the mat [SEP] the dog played in the park [SEP]".split(" ");
const CAT = 2;
const SAT = 3;

let browser: Browser;
let file: string;
let ofTwo: string;

beforeAll(async () => {
  browser = await launch();
  file = exportPage();
  ofTwo = exportModel(["-m", twoStacks()], "the cat sat on the mat", "the dog played");
});

afterAll(() => browser?.close());

const { visit } = visits(() => browser);
const show = (url: string, hash: string, options: Opened = {}) => visit(url, { ...options, hash });

test("the weight under the pointer is said, and the inspector follows", async () => {
  const page = await show(file, "#head=1.11&view=matrix");
  const grid = await found(page, PIECES.length, PIECES.length);
  for (const [query, key] of [[CAT, SAT], [0, 0], [13, 0], [14, 14], [6, 7]]) {
    await page.mouse.move(...grid.at(query, key));
    expect(await said(page)).toMatchObject({ query: PIECES[query], key: PIECES[key] });
    const { weight } = await said(page);
    const strongest = page.getByTestId("strongest").locator("li");
    await expect.poll(() => strongest.count()).toBe(1);
    const told = Number(/[\d.]+$/.exec(await strongest.innerText())![0]);
    expect(Math.abs(told - weight)).toBeLessThanOrEqual(0.00056);
    expect(await page.getByTestId("subject").innerText()).toBe(`“${PIECES[query]}” attends to “${PIECES[key]}”`);
  }
  await page.mouse.move(...grid.at(CAT, SAT));
  expect((await said(page)).weight).toBeCloseTo(0.99, 2);
  await page.mouse.move(5, 5);
  expect(await page.getByTestId("readout").innerText()).toContain("Point at a cell");
});

test("a click pins the pair, another frees it; a label is all of its row or column", async () => {
  const page = await show(file, "#head=1.11&view=matrix");
  const grid = await found(page, PIECES.length, PIECES.length);
  await page.mouse.click(...grid.at(CAT, SAT));
  expect(await link(page)).toMatchObject({ query: "2", key: "3", view: "matrix" });
  await page.mouse.move(5, 5);
  expect(await said(page)).toMatchObject({ query: "cat", key: "sat" });
  await page.mouse.click(...grid.at(CAT, SAT));
  expect((await link(page)).query).toBeUndefined();
  await page.waitForTimeout(600); // not a double click
  const [, y] = grid.at(CAT, 0);
  await page.mouse.click(grid.left - 20, y);
  await page.mouse.move(5, 5);
  expect(await link(page)).toMatchObject({ query: "2" });
  expect((await link(page)).key).toBeUndefined();
  expect(await page.getByTestId("readout").innerText()).toMatch(/^cat attends, entropy\s*0\.\d\d nats$/);
  await page.waitForTimeout(600);
  const [x] = grid.at(0, SAT);
  await page.mouse.click(x + 4, grid.top - 14);
  await page.mouse.move(5, 5);
  expect((await link(page)).key).toBe("3");
  expect(await page.getByTestId("readout").innerText()).toMatch(/^sat receives on average\s*0\.0\d+$/);
});

test("of two heads both are shown, or what one looks at more than the other", async () => {
  const page = await show(file, "#head=1.11&heads=1.11 0.2&view=matrix");
  const grid = await found(page, PIECES.length, PIECES.length);
  const at = async ([query, key]: [number, number]) => {
    await page.mouse.move(...grid.at(query, key));
    return Number(/[−+]?[\d.]+(e-\d+)?$/.exec(await page.getByTestId("readout").innerText())![0].replace("−", "-"));
  };
  const cells: [number, number][] = [[CAT, SAT], [CAT, CAT - 1], [9, 10], [0, 0]];
  const one = await each(cells, at);
  await page.getByTestId("drawn-head").nth(1).getByRole("button").first().click();
  const other = await each(cells, at);
  await page.getByTestId("drawn-head").nth(0).getByRole("button").first().click();

  await page.getByTestId("lay").click();
  expect(await page.getByTestId("matrix").count()).toBe(2);
  await page.getByTestId("lay").click();
  expect((await link(page)).lay).toBe("difference");
  expect(await page.getByTestId("taken").innerText()).toBe("Layer 1, head 11 − Layer 0, head 2");
  const difference = await each(cells, at);
  difference.forEach((value, i) => expect(value).toBeCloseTo(one[i] - other[i], 3));
  expect(difference[0]).toBeGreaterThan(0.9);
  expect(difference[1]).toBeLessThan(-0.9);
  const colour = ([query, key]: [number, number]) => {
    const [x, y] = grid.at(query, key);
    return pixel(page, x - grid.cell * 0.4, y - grid.cell * 0.4);
  };
  await page.mouse.move(5, 5);
  const [more, less] = [await colour(cells[0]), await colour(cells[1])];
  expect(more[2]).toBeGreaterThan(more[0]);
  expect(less[0]).toBeGreaterThan(less[2]);
  await page.getByTestId("lay").click();
  expect(await page.getByTestId("taken").count()).toBe(0);
});

test("the cell's colour is that of its weight", async () => {
  const page = await show(file, "#head=1.11&view=matrix");
  const grid = await found(page, PIECES.length, PIECES.length);
  const lightness = async (query: number, key: number) => {
    const [x, y] = grid.at(query, key);
    const [red, green, blue] = await pixel(page, x - grid.cell * 0.4, y - grid.cell * 0.4);
    return red + green + blue;
  };
  const [one, some, none] = [await lightness(CAT, SAT), await lightness(0, 14), await lightness(9, 13)];
  expect(one).toBeLessThan(some);
  expect(some).toBeLessThan(none);
});

test("zooming and dragging keep the cell under the pointer; the page does not scroll", async () => {
  const page = await show(file, "#head=1.11&view=matrix");
  const grid = await found(page, PIECES.length, PIECES.length);
  const [x, y] = grid.at(9, 10);
  await page.mouse.move(x, y);
  const before = await said(page);
  const whole = await painted(page);
  expect(before).toMatchObject({ query: "dog", key: "played" });
  for (let i = 0; i < 4; i++) await page.mouse.wheel(0, -120);
  await nextFrame(page);
  await jiggle(page, x, y);
  expect(await said(page)).toEqual(before);
  expect(await painted(page)).not.toBe(whole);

  await page.mouse.down();
  await page.mouse.move(x - 70, y - 40, { steps: 4 });
  await page.mouse.up();
  await jiggle(page, x - 70, y - 40);
  expect(await said(page)).toEqual(before);
  expect((await link(page)).query).toBeUndefined(); // a drag is not a click
  expect(await page.evaluate(() => document.scrollingElement!.scrollTop)).toBe(0);

  await page.getByTestId("zoom-fit").click();
  await page.mouse.move(x, y);
  expect(await said(page)).toEqual(before);
});

test("what is in sight is in the link, and comes back with it", async () => {
  const page = await show(file, "#head=1.11&view=matrix");
  const grid = await found(page, PIECES.length, PIECES.length);
  await page.mouse.move(...grid.at(10, 10));
  for (let i = 0; i < 4; i++) await page.mouse.wheel(0, -120);
  await page.waitForTimeout(400);
  const { zoom } = await link(page);
  const [row, column, cell] = zoom.split(" ").map(Number);
  expect(row).toBeGreaterThan(0);
  expect(column).toBeGreaterThan(0);
  const under = await said(page);
  const again = await show(file, `#head=1.11&view=matrix&zoom=${zoom.replaceAll(" ", "+")}`);
  await again.mouse.move(...grid.at(10, 10));
  expect(await said(again)).toEqual(under);
  expect(cell).toBeGreaterThan(grid.cell);
  await page.getByTestId("zoom-fit").click();
  await page.waitForTimeout(400);
  expect((await link(page)).zoom).toBeUndefined();
});

test("two fingers zoom about the cell between them, one moves", async () => {
  const context = await browser.newContext({ viewport: { width: 800, height: 900 }, hasTouch: true });
  const page = await context.newPage();
  await page.goto(file + "#head=1.11&view=matrix");
  await page.getByTestId("matrix").waitFor();
  const grid = await found(page, PIECES.length, PIECES.length);
  const [x, y] = grid.at(7, 7);
  const session = await context.newCDPSession(page);
  const touch = (type: string, ...points: [number, number][]) =>
    session.send("Input.dispatchTouchEvent" as any, {
      type,
      touchPoints: points.map(([x, y], id) => ({ x, y, id })),
    } as any);
  await touch("touchStart", [x - 30, y], [x + 30, y]);
  for (const far of [45, 60, 75]) await touch("touchMove", [x - far, y], [x + far, y]);
  await touch("touchEnd");
  await page.waitForTimeout(400);
  const pinched = (await link(page)).zoom.split(" ").map(Number);
  const fitted = grid.cell;
  expect(pinched[2]).toBeGreaterThan(Math.min(56, fitted * 1.4) - 0.1); // 56 is the largest a cell becomes
  await touch("touchStart", [x, y]);
  for (const far of [10, 20, 30]) await touch("touchMove", [x + far, y + far]);
  await touch("touchEnd");
  await page.waitForTimeout(400);
  const moved = (await link(page)).zoom.split(" ").map(Number);
  expect(moved[2]).toBe(pinched[2]);
  expect(moved[0]).toBeLessThan(pinched[0]);
  expect(moved[1]).toBeLessThan(pinched[1]);
  expect(await page.evaluate(() => [visualViewport!.scale, scrollY])).toEqual([1, 0]);
  await context.close();
});

test("keys zoom, move the pinned pair and bring it into sight", async () => {
  const page = await show(file, "#head=1.11&view=matrix&query=2&key=3");
  const fitting = await painted(page);
  for (let i = 0; i < 3; i++) await page.keyboard.press("+");
  await nextFrame(page);
  const near = await painted(page);
  expect(near).not.toEqual(fitting);
  expect(await framed(page)).toBe(true); // what is pinned stays in sight
  for (let i = 0; i < 12; i++) await page.keyboard.press("j");
  for (let i = 0; i < 2; i++) await page.keyboard.press("J");
  expect(await link(page)).toMatchObject({ query: "14", key: "5" });
  expect(await said(page)).toMatchObject({ query: "[SEP]", key: "the" });
  await nextFrame(page);
  expect(await framed(page)).toBe(true);
  await page.keyboard.press("k");
  await page.keyboard.press("K");
  expect(await link(page)).toMatchObject({ query: "13", key: "4" });
  await page.keyboard.press("0");
  await nextFrame(page);
  expect(await painted(page)).toEqual(fitting);

  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.getByTestId("matrix").focus();
  await page.keyboard.press("Enter");
  expect(await link(page)).toMatchObject({ query: "2", key: "3" });
});

test("special tokens that are hidden have no cells, and the rest is renormalised", async () => {
  const page = await show(file, "#head=1.11&view=matrix&special=hidden");
  const grid = await found(page, 12, 12);
  const shown = PIECES.filter((piece) => !piece.startsWith("["));
  let sum = 0;
  for (let key = 0; key < 12; key++) {
    await page.mouse.move(...grid.at(5, key));
    const told = await said(page);
    expect(told).toMatchObject({ query: "mat", key: shown[key] });
    sum += told.weight;
  }
  expect(sum).toBeCloseTo(1, 3);
});

test("what the edge filter leaves out is faint, and said to be", async () => {
  const page = await show(file, "#head=1.11&view=matrix");
  const grid = await found(page, PIECES.length, PIECES.length);
  const [x, y] = grid.at(CAT, SAT);
  const corner = [x - grid.cell * 0.4, y - grid.cell * 0.4] as const;
  const before = await pixel(page, ...corner);
  await page.getByTestId("flow-bb").click();
  await nextFrame(page);
  const after = await pixel(page, ...corner);
  expect(after[0]).toBeGreaterThan(before[0] + 100);
  await page.mouse.move(x, y);
  expect(await page.getByTestId("readout").innerText()).toContain("filtered out");
});

test("of several heads the one in the inspector is drawn, and named", async () => {
  const page = await show(file, "#head=1.11&heads=1.11 0.2&view=matrix");
  expect(await page.getByTestId("matrix-key").innerText()).toContain("Layer 1, head 11");
  await page.getByTestId("drawn-head").nth(1).getByRole("button").first().click();
  await expect.poll(() => page.getByTestId("matrix-key").innerText()).toContain("Layer 0, head 2");
  const grid = await found(page, PIECES.length, PIECES.length);
  await page.mouse.move(...grid.at(SAT, CAT)); // the previous token
  expect((await said(page)).weight).toBeGreaterThan(0.8);
});

test("a target on a source: as many rows as it has tokens, as many columns as the source", async () => {
  const page = await show(ofTwo, "#head=3.1&view=matrix");
  const [source, target] = ["[CLS] the cat sat on the mat [SEP]".split(" "), "[PAD] [CLS] the dog played".split(" ")];
  expect(await page.getByTestId("matrix").getAttribute("aria-label")).toContain("5 queries, down, on 8 keys, across");
  const grid = await found(page, 5, 8);
  for (let query = 0; query < 5; query++) {
    let sum = 0;
    for (let key = 0; key < 8; key++) {
      await page.mouse.move(...grid.at(query, key));
      const told = await said(page);
      expect(told).toMatchObject({ query: target[query], key: source[key] });
      sum += told.weight;
    }
    expect(sum).toBeCloseTo(1, 3);
  }
  await page.getByTestId("part-decoder").click();
  const own = await found(page, 5, 5);
  await page.mouse.move(...own.at(1, 3));
  expect(await page.getByTestId("readout").innerText()).toContain("hidden from it by the mask");
  expect(await page.getByTestId("matrix-key").innerText()).toContain("masked");
});

test("on a narrow screen all of it is there, and a tap pins", async () => {
  const page = await show(file, "#head=1.11&view=matrix", { width: 390 });
  expect(await page.evaluate(() => document.scrollingElement!.scrollWidth)).toBe(390);
  await page.getByTestId("matrix").scrollIntoViewIfNeeded();
  const grid = await found(page, PIECES.length, PIECES.length);
  await page.mouse.click(...grid.at(CAT, SAT));
  expect(await link(page)).toMatchObject({ query: "2", key: "3" });
});

// The longest takes 256 MB and some seconds to make up: LONGEST=1 asks for it.
describe.each([512, 2048, 8192].slice(0, process.env.LONGEST ? 3 : 2))("%i tokens", (n) => {
  test("are drawn at once, and stay smooth", async () => {
    const { url, server } = await serveSynthetic(n);
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    await page.goto(url);
    await page.getByTestId(n > 4000 ? "matrix" : "key-token").first().waitFor();
    await page.waitForTimeout(1000);
    const first = await page.evaluate(async () => {
      const root = document.querySelector("main")!.shadowRoot!;
      const start = performance.now();
      root.querySelector<HTMLElement>('[data-testid="view-matrix"]')!.click();
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      return performance.now() - start;
    });
    await page.waitForTimeout(n > 4000 ? 3000 : 500);
    const grid = await found(page, n, n);
    // Cells are smaller than a pixel: the one that is pinned is known by its numbers.
    await page.mouse.click(...grid.at(Math.floor(n / 2), Math.floor(n / 4)));
    const told = await page.getByTestId("readout").innerText();
    const weights = await page.evaluate(() => {
      const { pattern } = globalThis as unknown as { pattern: Float32Array };
      const side = Math.sqrt(pattern.length);
      return Array.from({ length: 25 }, (_, i) => {
        const [query, key] = [Math.floor(side / 2) - 2 + Math.floor(i / 5), Math.floor(side / 4) - 2 + (i % 5)];
        return pattern[query * side + key];
      });
    });
    expect(weights.map(exact)).toContain(/\S+$/.exec(told)![0]);
    await page.getByTestId("zoom-fit").click();

    const [x, y] = grid.at(n * 0.6, n * 0.55);
    const frames = await page.evaluate(
      async ([x, y]) => {
        const root = document.querySelector("main")!.shadowRoot!;
        const canvas = root.querySelector<HTMLElement>('[data-testid="matrix"]')!;
        const times: number[] = [];
        const busy: number[] = [];
        const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
        let last = await frame();
        const step = async (act: () => void) => {
          const start = performance.now();
          act();
          const now = await frame();
          // What the frame's own work takes, drawing included, ends before the next task.
          await new Promise((done) => setTimeout(done));
          busy.push(performance.now() - Math.max(start, now));
          times.push(now - last);
          last = now;
        };
        const wheel = (deltaY: number) =>
          canvas.dispatchEvent(
            new WheelEvent("wheel", { deltaY, clientX: x, clientY: y, bubbles: true, cancelable: true }),
          );
        for (let i = 0; i < 60; i++) await step(() => wheel(-40));
        const event = (type: string, dx: number, dy: number) =>
          canvas.dispatchEvent(
            new PointerEvent(type, { pointerId: 1, clientX: x + dx, clientY: y + dy, bubbles: true }),
          );
        canvas.setPointerCapture = () => {}; // a made-up pointer cannot be captured
        event("pointerdown", 0, 0);
        for (let i = 1; i <= 60; i++) await step(() => event("pointermove", -i * 9, -i * 7));
        event("pointerup", -540, -420);
        for (let i = 0; i < 60; i++) await step(() => wheel(50));
        for (let i = 0; i < 60; i++) await step(() => event("pointermove", i * 2, i * 2)); // hover
        return { times, busy };
      },
      [x, y] as const,
    );
    const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
    const [times, busy] = [sorted(frames.times), sorted(frames.busy)];
    const of = (values: number[]) =>
      `median ${values[values.length >> 1].toFixed(1)} ms, 95 % ${values[Math.floor(values.length * 0.95)].toFixed(1)}, most ${values.at(-1)!.toFixed(1)}`;
    console.log(`${n} tokens: matrix after ${first.toFixed(0)} ms; frames ${of(times)}; work in a frame ${of(busy)}`);
    expect(first).toBeLessThan(n === 512 ? 600 : 1500);
    expect(times[times.length >> 1]).toBeLessThan(50);
    await context.close();
    server.close();
  });
});

// ---- what is on screen --------------------------------------------------------------------

/** Where the cells are when all of them are in sight. */
async function found(page: Page, rows: number, columns: number) {
  await nextFrame(page);
  const box = (await page.getByTestId("matrix").boundingBox())!;
  const canvas = page.getByTestId("matrix");
  const [left, top, width, height] = (await canvas.getAttribute("data-plot"))!.split(" ").map(Number);
  const cell = Math.min(44, width / columns, height / rows);
  const at = (query: number, key: number): [number, number] => [
    box.x + left + (key + 0.5) * cell,
    box.y + top + (query + 0.5) * cell,
  ];
  return { left: box.x + left, top: box.y + top, cell, at };
}

/** What the line above the matrix says of a pair. */
/** One after the other: there is one pointer. */
async function each<T, U>(all: T[], of: (one: T) => Promise<U>): Promise<U[]> {
  const found: U[] = [];
  for (const one of all) found.push(await of(one));
  return found;
}

async function said(page: Page): Promise<{ query: string; key: string; weight: number }> {
  const words = await page.getByTestId("readout").innerText();
  const [, query, key, weight] = /^(\S+) → (\S+)\s+([\d.e-]+)/.exec(words.replaceAll("\u00a0", " ")) ?? [];
  return { query, key, weight: Number(weight) };
}

/** The picture without its highlights. */
function painted(page: Page): Promise<string> {
  return page
    .getByTestId("matrix-view")
    .locator("canvas.base")
    .evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
}

/** Whether the frame of a pinned cell is on screen: ink, on the canvas of the highlights. */
function framed(page: Page): Promise<boolean> {
  return page.getByTestId("matrix").evaluate((canvas: HTMLCanvasElement) => {
    const { width, height } = canvas;
    const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d")!;
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] < 40 && data[i + 2] < 50 && data[i + 3] > 250) count++;
    return count > 200; // more than the bold labels have
  });
}

async function pixel(page: Page, x: number, y: number): Promise<number[]> {
  const box = (await page.getByTestId("matrix").boundingBox())!;
  return page
    .getByTestId("matrix-view")
    .locator("canvas.base")
    .evaluate(
      (canvas: HTMLCanvasElement, [x, y]) => {
        // On a canvas of its own: Chromium notes it when one that is drawn on is read twice.
        const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d")!;
        context.drawImage(canvas, -Math.round(x), -Math.round(y));
        return [...context.getImageData(0, 0, 1, 1).data];
      },
      [x - box.x, y - box.y],
    );
}

/** Leaves a place and comes back, so that the page says anew what is there. */
async function jiggle(page: Page, x: number, y: number) {
  await page.mouse.move(5, 5);
  await page.mouse.move(x, y);
}

function nextFrame(page: Page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
