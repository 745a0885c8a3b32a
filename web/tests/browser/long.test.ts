/** Long texts in a real browser: the app's weights come in 16 bits, what is looked at with all digits. */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type App, compiles, drawn, exportModel, launch, serveModel, twoStacks, visits, weights } from "./headscope";

let browser: Browser;
let app: App;
let file: string;

beforeAll(async () => {
  browser = await launch();
  const text = "the cat sat on the mat a dog played in the park ".repeat(100).trim();
  const options = ["-m", twoStacks(), "--target", "the dog"];
  app = await serveModel(options, text);
  file = exportModel(options, text);
});

afterAll(async () => {
  app?.stop();
  await browser?.close();
});

const { visit } = visits(() => browser);

test("numbers of the token that is looked at have all digits", async () => {
  const page = await visit(app.url, { hash: "#head=0.1" });
  const asked = page.waitForResponse((reply) => reply.url().includes("/api/exact"));
  await page.getByTestId("query-token").nth(5).hover();
  const reply = await asked;
  expect(reply.url()).toContain("layer=0&head=1&run=0&query=5&key=5");
  const exact = new Float32Array(new Uint8Array(await reply.body()).buffer);
  const n = exact.length / 2;
  expect(n).toBeGreaterThan(1024);
  const printed = await weights(page);
  expect(Object.keys(printed).length).toBeGreaterThan(0);
  for (const [key, text] of Object.entries(printed)) expect(text).toBe(exact[Number(key)].toFixed(3));
  expect(await page.getByTestId("numerics").innerText()).toContain("weights within 1.6e−5");
});

test("a column is asked for once, and the pinned token's numbers are exact in the matrix view", async () => {
  const page = await visit(app.url, { hash: "#head=0.1&view=matrix" });
  const urls: string[] = [];
  page.on("request", (request) => request.url().includes("exact") && urls.push(request.url()));
  const asked = page.waitForResponse((reply) => reply.url().includes("/api/exact"));
  await page.evaluate(() => (location.hash = "#head=0.1&view=matrix&query=7&key=9"));
  const exact = new Float32Array(new Uint8Array(await (await asked).body()).buffer);
  const weight = exact[9];
  expect(weight).toBeGreaterThan(0);
  const digits = weight >= 0.0005 ? weight.toFixed(4) : weight.toExponential(1);
  await expect.poll(() => page.getByTestId("readout").locator("strong").innerText()).toBe(digits);
  await page.keyboard.press("2");
  expect(urls.length).toBe(1);
});

test("a page has a worker compute its patterns, and they are the app's", async () => {
  const hash = "#head=1.1&query=5";
  const [inApp, inFile] = [await visit(app.url, { hash }), await visit(file, { offline: true, hash })];
  await expect.poll(async () => Object.keys(await weights(inApp)).length).toBeGreaterThan(0);
  expect(await weights(inFile)).toEqual(await weights(inApp));
  expect([inFile.workers().length, inApp.workers().length]).toEqual([1, 0]);
  await inFile.keyboard.press("ArrowUp");
  await expect.poll(() => inFile.locator(".inspector .title").innerText()).toContain("layer 0");
});

test("where a page's policy allows no WebAssembly, weights are the same", async () => {
  const refusing = file.replace("view.html", "refusing.html");
  const html = readFileSync(fileURLToPath(file), "utf8");
  writeFileSync(fileURLToPath(refusing), html.replace(" 'wasm-unsafe-eval'", ""));
  const hash = "#head=1.1&query=5";
  const [allowed, refused] = [await visit(file, { hash }), await visit(refusing, { hash })];
  expect([await compiles(allowed.workers()[0]), await compiles(refused.workers()[0])]).toEqual([true, false]);
  expect(Object.keys(await weights(allowed)).length).toBeGreaterThan(0);
  expect(await weights(refused)).toEqual(await weights(allowed));
});

test("where workers are forbidden the page computes them itself", async () => {
  const page = await (await browser.newContext()).newPage();
  await page.addInitScript(() => {
    (globalThis as any).Worker = class {
      constructor() {
        throw new Error("forbidden");
      }
    };
  });
  await page.goto(file + "#head=1.1&query=5");
  await drawn(page);
  expect(Object.keys(await weights(page)).length).toBeGreaterThan(0);
  expect([page.workers().length, await compiles(page)]).toEqual([0, true]);
  await page.context().close();
});

test("what is fetched ahead does not overtake what is asked for", async () => {
  const page = await visit(app.url, { hash: "#head=0.0" });
  // The page's own clock: what Playwright reports of a request may come after the next one's beginning.
  const patterns = () =>
    page.evaluate(() =>
      (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
        .filter(({ name }) => name.includes("/api/pattern"))
        .map(({ startTime, responseEnd }) => [startTime, responseEnd]),
    );
  await page.waitForTimeout(1500); // all that is fetched ahead
  await expect.poll(async () => (await patterns()).length).toBeGreaterThan(2);
  const spans = (await patterns()).sort(([a], [b]) => a - b);
  spans.slice(1).forEach(([start], i) => expect(start).toBeGreaterThan(spans[i][1]));
});
