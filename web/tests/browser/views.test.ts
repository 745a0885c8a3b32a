/** The text view, the model view, words instead of pieces, the strongest edges, and files of what is on screen. */

import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportModel, exportPage, launch, link, type Opened, pieces, serveHere, twoStacks, visits, weights } from "./headscope";

const CAT = 2;
const SAT = 3;

let browser: Browser;
let pair: string;
let long: string;

beforeAll(async () => {
  browser = await launch();
  pair = exportPage();
  long = exportPage("Unbelievably, the photosynthesizing cyanobacteria didn't mind. القطة جلست 猫坐在垫子上");
});

afterAll(() => browser?.close());

const { visit } = visits(() => browser);
const show = (url: string, options?: Opened) => visit(url, { offline: true, ...options });

const word = (page: Page, index: number, side = "query") =>
  page.locator(`[data-testid=text-view] .word[data-side=${side}][data-index="${index}"]`);

describe("the text view", () => {
  test("a token shows what it looks at and what it is looked at by, with the inspector's numbers", async () => {
    const page = await show(pair, { hash: "#view=text&head=1.11" });
    await word(page, CAT).hover();
    expect(await word(page, SAT).getAttribute("data-looks")).toBe("0.99");
    expect(await page.getByTestId("strongest").locator("li").first().innerText()).toMatch(/sat\s+0\.990/);
    expect(await word(page, 1).getAttribute("data-looked")).toBe("0.99");
    await page.mouse.move(2, 400);
    await expect.poll(() => page.locator(".word.looks").count()).toBe(0);
    await word(page, CAT).click();
    expect(await link(page)).toMatchObject({ view: "text", query: "2" });
    await page.mouse.move(2, 400);
    await page.keyboard.press("j");
    expect(await word(page, SAT).getAttribute("class")).toContain("active");
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator(".word.active").count()).toBe(0);
  });

  test("the words stand as they were written", async () => {
    const page = await show(long, { hash: "#view=text" });
    const text = (await page.locator(".passage p").first().innerText()).replace(/\s+/g, " ");
    expect(text).toContain("Unbelievably, the photosynthesizing cyanobacteria didn't mind. القطة جلست 猫坐在垫子上");
  });

  test("a target looks at its source", async () => {
    const page = await show(exportModel(["-m", twoStacks()], "the cat sat", "the dog"), {
      hash: "#view=text&head=3.1",
    });
    await page.getByTestId("part-cross").click();
    await word(page, 1).hover();
    expect(await page.locator(".word.looks[data-side=key]").count()).toBeGreaterThan(0);
    expect(await page.locator(".word.looks[data-side=query]").count()).toBe(0);
  });
});

describe("words and sentences", () => {
  test("pieces join, their weights with them, and the pin stays on its word", async () => {
    const page = await show(long, { hash: "#head=0.0&query=3" });
    const before = await pieces(page, "query");
    await page.keyboard.press("w");
    const words = await pieces(page, "query");
    expect(words.length).toBeLessThan(before.length);
    expect(words).toContain("cyanobacteria");
    expect(words).toContain("didn't");
    expect(await page.getByTestId("note").innerText()).toContain("sum of what they are looked at");
    expect(await page.getByTestId("kinds").innerText()).toContain("%");
    const pinned = Number((await link(page)).query);
    expect("Unbelievably".toLowerCase()).toContain(words[pinned].toLowerCase());
    const sum = Object.values(await weights(page)).reduce((total, weight) => total + Number(weight), 0);
    expect(Math.abs(sum - 1)).toBeLessThan(0.01);
    await page.keyboard.press("w");
    expect((await pieces(page, "query")).length).toBeLessThan(words.length);
    await page.getByTestId("view-tokens").click();
    expect(await page.getByTestId("tokens-view").locator("tbody tr").count()).toBe(before.length);
  });
});

test("of the strongest edges one is left for each token, and the page says what they carry", async () => {
  const page = await show(pair, { hash: "#head=7.3&query=2" });
  expect(Object.keys(await weights(page)).length).toBeGreaterThan(3);
  await page.getByTestId("keep").selectOption("top1");
  expect(Object.keys(await weights(page))).toHaveLength(1);
  expect(await page.getByTestId("note").innerText()).toMatch(/the edges drawn have \d+ % of the weight/);
  expect(await page.getByTestId("subject").innerText()).not.toContain("renormalised"); // no weight was scaled
  expect(await link(page)).toMatchObject({ keep: "top1" });
});

test("two heads stand beside each other, each with its own numbers", async () => {
  const page = await show(pair, { hash: "#head=1.11&heads=1.11 0.2&query=2" });
  await page.getByTestId("lay").click();
  const columns = page.getByTestId("beside");
  expect(await columns.count()).toBe(2);
  const strongest = (i: number) =>
    columns.nth(i).getByTestId("weight").evaluateAll((all) => all.map((each) => each.textContent));
  expect(await strongest(0)).toContain("0.990");
  expect(await strongest(1)).toEqual(["1.000"]);
  expect(await link(page)).toMatchObject({ lay: "beside" });
});

test("two texts stand beside each other, with what differs, and the link brings both back", async () => {
  const app = await serveHere();
  const page = await visit(app.url, { hash: "#head=1.11&query=2" });
  await page.getByTestId("compare").click();
  await page.getByTestId("sentence-a").fill("A bird and the cat sat on the mat");
  await page.mouse.move(2, 400);
  const columns = page.getByTestId("beside");
  await expect.poll(() => columns.nth(1).getByTestId("query-token").allInnerTexts()).toContain("bird");
  expect(await columns.nth(0).getByTestId("query-token").allInnerTexts()).not.toContain("bird");
  // The pinned token is the cat in both, wherever it stands.
  const pinned = (i: number) => columns.nth(i).getByTestId("query-token").and(page.locator("[aria-selected=true]"));
  await expect.poll(() => pinned(1).innerText()).toBe("cat");
  expect(await pinned(0).innerText()).toBe("cat");
  expect(await page.locator("[data-testid=difference] [data-metric=next]").innerText()).toMatch(/next token\s*0\.96\s*0\.\d\d/);
  await expect.poll(() => link(page)).toMatchObject({ c: "The cat sat on the mat", d: "The dog played in the park" });

  const again = await visit(app.url, { hash: await page.evaluate(() => location.hash) });
  await expect.poll(() => again.getByTestId("beside").count()).toBe(2);
  await expect.poll(() => again.getByTestId("beside").nth(0).getByTestId("query-token").count()).toBe(15);

  // Their matrices are beside each other too; where the tokens are as many, one can be taken from the other.
  await page.getByTestId("view-matrix").click();
  await expect.poll(() => page.getByTestId("matrix").count()).toBe(2);
  expect(await page.getByTestId("no-difference").count()).toBe(1);
  await page.getByTestId("sentence-a").fill("The cat lay on the mat");
  await page.getByTestId("texts-lay").click();
  expect(await page.getByTestId("taken").innerText()).toBe("Layer 1, head 11 − the other text");
  expect(await page.getByTestId("matrix").count()).toBe(1);
  expect(await page.getByTestId("readout").innerText()).toMatch(/^cat looks apart by\s*0\.0\d$/);

  await page.getByTestId("view-head").click();
  await page.getByTestId("compare").click();
  await expect.poll(() => columns.count()).toBe(0);
  expect((await link(page)).c).toBeUndefined();
});

describe("the model view", () => {
  test("a click chooses a head, a double click opens it", async () => {
    const page = await show(pair, { hash: "#view=model" });
    const box = (await page.getByTestId("model-canvas").boundingBox())!;
    const cell = box.width / 12;
    await page.mouse.click(box.x + 3.4 * cell, box.y + 1.4 * cell);
    expect(await link(page)).toMatchObject({ view: "model", head: "1.3" });
    await page.getByTestId("draw-curves").click();
    await page.mouse.dblclick(box.x + 11.4 * cell, box.y + 1.4 * cell);
    expect(await link(page)).toMatchObject({ head: "1.11" });
    await expect.poll(() => page.getByTestId("head-view").count()).toBe(1);
  });

  test("in another order each head has its value", async () => {
    const page = await show(pair, { hash: "#view=model&order=previous" });
    const first = page.locator(".ruler.under").first();
    expect(await first.innerText()).toMatch(/^0·2\s+\.93$/);
  });
});

describe("export", () => {
  const save = async (page: Page, kind: string): Promise<Buffer> => {
    await page.getByTestId("export").click();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByTestId(`export-${kind}`).click(),
    ]);
    return readFileSync(await file.path());
  };

  test("the numbers on screen, as a table and as JSON", async () => {
    const page = await show(pair, { hash: "#head=1.11" });
    const rows = (await save(page, "csv")).toString().trim().split("\r\n").slice(1);
    expect(rows).toHaveLength(15 * 15);
    const edge = rows.map((row) => row.split(",")).find(([, , query, , key]) => query === "2" && key === "3")!;
    expect(Number(edge[6]).toFixed(3)).toBe("0.990");
    const sum = rows.filter((row) => row.split(",")[2] === "2").reduce((total, row) => total + Number(row.split(",")[6]), 0);
    expect(sum).toBeCloseTo(1, 5);
    const json = JSON.parse((await save(page, "json")).toString());
    expect(json.edges).toHaveLength(225);
    expect(json.texts).toEqual(["The cat sat on the mat", "The dog played in the park"]);
  });

  test.each(["head", "text", "model"])("the %s view as a drawing and as pixels", async (view) => {
    const page = await show(pair, { hash: `#head=1.11&view=${view}&query=2` });
    const svg = (await save(page, "svg")).toString();
    const wellFormed = await page.evaluate(
      (text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror") === null,
      svg,
    );
    expect(wellFormed).toBe(true);
    if (view === "head") {
      expect(svg).toMatch(/<path d="M[\d.]+ [\d.]+C/); // curves, not pixels
      expect(svg).not.toContain("<image");
      expect(svg).toContain(">0.990</text>");
    }
    if (view === "text") expect(svg).toContain(">played</text>");
    const png = await save(page, "png");
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    expect(png.readUInt32BE(16)).toBeGreaterThan(800);
  });
});
