/**
 * Times a page in headless Chromium: `node benches/web/page.mjs headscope|bertviz URL LOADS`.
 *
 * Each load is in a new profile. A line for each thing measured, with a number for each load:
 *
 * - `first`: ms from the start of navigation until the first picture is drawn.
 * - `switch`: ms from the event that asks for a layer not shown before to the second animation frame with
 *   it, when the first has been painted. The median of several.
 * - `hover`, `worst`: ms from the pointer's event to the last stroke, median and most of 40.
 * - `heap`: MB of JavaScript objects at the end, after a collection; `resident`: MB of the page's process.
 */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const LIMIT_S = 90; // for the first picture, for each switch, for the rest
const HOVERS = 40;

const { chromium } = createRequire(new URL("../../web/package.json", import.meta.url))("playwright-core");

/** What the script that is timed has to know of a page. */
const PAGES = {
  headscope: { hash: "#head=1.1", switches: 5, drawn: headscopeDrawn, switchLayer: stepDiagonally, hover },
  bertviz: { hash: "", switches: 2, prepare: watchForBertviz, drawn: bertvizDrawn, switchLayer: chooseLayer },
};

// ---- headscope ----------------------------------------------------------------------------

function headscopeDrawn() {
  return performance.getEntriesByName("headscope:first-picture")[0]?.startTime;
}

/**
 * Steps to the next head and the next layer in one go: by then the page holds the heads to the right and
 * below, which it fetches when it is idle, but not the one across. Timed from the first of both keys.
 */
async function stepDiagonally() {
  const title = document.querySelector("main").shadowRoot.querySelector(".inspector .title");
  const before = title.textContent;
  const start = performance.now();
  for (const key of ["ArrowRight", "ArrowDown"]) document.dispatchEvent(new KeyboardEvent("keydown", { key }));
  // The title changes with the picture; the frame in which it has changed is the one that paints it.
  while (title.textContent === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}

/** Points at one token after the other among those that surely are on screen. */
async function hover(page) {
  const { height } = page.viewportSize();
  const places = await page.getByTestId("query-token").evaluateAll((all) =>
    all.map((each) => each.getBoundingClientRect()).map(({ x, y, width, height }) => [x + width / 2, y + height / 2]),
  );
  const seen = places.filter(([, y]) => y > 0 && y < 0.8 * height);
  const count = () => performance.getEntriesByName("headscope:hover").length;
  for (let i = 0; i < HOVERS; i++) {
    const before = await page.evaluate(count);
    await page.mouse.move(...seen[i % seen.length]);
    while ((await page.evaluate(count)) === before) await page.waitForTimeout(5);
  }
  return page.evaluate(() => performance.getEntriesByName("headscope:hover").map(({ duration }) => duration));
}

// ---- bertviz ------------------------------------------------------------------------------

/** It draws in one go, so that this timer finds nothing or all; it is set before the page has begun. */
function watchForBertviz() {
  const look = () => {
    if (document.querySelector("#vis svg")) performance.mark("bertviz:first-picture");
    else setTimeout(look);
  };
  setTimeout(look);
}

function bertvizDrawn() {
  return performance.getEntriesByName("bertviz:first-picture")[0]?.startTime;
}

async function chooseLayer() {
  const layer = document.querySelector("#layer");
  const start = performance.now();
  layer.selectedIndex += 1;
  layer.dispatchEvent(new Event("change")); // the picture is drawn anew before this returns
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}

/** What the page asks a CDN for, from here. */
const SCRIPTS = {
  "require.min.js": "requirejs/require.js",
  "d3.min.js": "d3/dist/d3.min.js",
  "jquery.min.js": "jquery/dist/jquery.min.js",
};

function answer(route) {
  const name = route.request().url().split("/").at(-1);
  const body = readFileSync(new URL(`node_modules/${SCRIPTS[name]}`, import.meta.url));
  return route.fulfill({ body, contentType: "text/javascript" });
}

// ---- any page -----------------------------------------------------------------------------

/** Ends everything when a step takes too long. */
const limit = setTimeout(() => {
  console.error(`${step} took more than ${LIMIT_S} s`);
  process.exit(1); // Chromium is taken along
}, LIMIT_S * 1000);
let step = "";

function begin(name) {
  step = name;
  limit.refresh();
}

/** Opens the page in a new profile and measures all of it. */
async function load(browser, url, { hash, switches, prepare, drawn, switchLayer, hover }) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  if (prepare) {
    await page.route("https://cdnjs.cloudflare.com/**", answer);
    await page.addInitScript(prepare);
  }
  begin("the first picture");
  await page.goto(url + hash, { waitUntil: "commit", timeout: 0 });
  const first = await (await page.waitForFunction(drawn, null, { polling: 100, timeout: 0 })).jsonValue();
  await page.waitForTimeout(1000); // neighbours are fetched

  const steps = [];
  for (let i = 0; i < switches; i++) {
    begin("a layer switch");
    steps.push(await page.evaluate(switchLayer));
    await page.waitForTimeout(500);
  }
  begin("the rest");
  const hovers = (await hover?.(page)) ?? [];

  const session = await context.newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  const heap = metrics.find(({ name }) => name === "JSHeapUsedSize").value / 1e6;
  const resident = await residentSize(browser);
  await context.close();
  return { first, switch: median(steps), hover: median(hovers), worst: Math.max(...hovers), heap, resident };
}

/** MB that the largest of the browser's pages has in memory; Linux tells. */
async function residentSize(browser) {
  const { processInfo } = await (await browser.newBrowserCDPSession()).send("SystemInfo.getProcessInfo");
  const sizes = processInfo
    .filter(({ type, id }) => type === "renderer" && existsSync(`/proc/${id}/status`))
    .map(({ id }) => Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1]));
  return (Math.max(...sizes) * 1024) / 1e6;
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const [kind, url, loads] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const results = [];
for (let i = 0; i < Number(loads); i++) results.push(await load(browser, url, PAGES[kind]));
clearTimeout(limit);
await browser.close();
for (const name of Object.keys(results[0])) {
  const numbers = results.map((result) => result[name]).filter(Number.isFinite);
  if (numbers.length > 0) console.log(name, ...numbers.map((number) => number.toFixed(2)));
}
