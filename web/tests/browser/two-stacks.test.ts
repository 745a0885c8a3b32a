/** An encoder-decoder in a real browser: three parts of one stage, and two texts side by side. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Browser } from "playwright-core";
import {
  type App,
  exportModel,
  launch,
  link,
  open,
  pieces,
  serveModel,
  twoStacks,
  type Watched,
  weights,
} from "./headscope";

const SOURCE = "[CLS] the cat sat on the mat [SEP]".split(" ");
const TARGET = "[PAD] [CLS] the dog played".split(" ");

let browser: Browser;
let app: App;
let file: string;

beforeAll(async () => {
  const model = ["-m", twoStacks()];
  const texts = ["the cat sat on the mat", "the dog played"];
  [browser, app] = await Promise.all([launch(), serveModel(model, ...texts)]);
  file = exportModel(model, ...texts);
});

afterAll(async () => {
  await browser?.close();
  app?.stop();
});

describe.each([
  ["app", () => open(browser, app.url, { hash: "#head=0.0" })],
  ["page", () => open(browser, file, { offline: true, hash: "#head=0.0" })],
])("in the %s", (_, home) => {
  let shown: Watched;
  beforeAll(async () => void (shown = await home()));
  afterAll(async () => {
    expect(shown.complaints).toEqual([]);
    await shown.page.context().close();
  });

  test.each([
    ["encoder", SOURCE, SOURCE, "2 layers by 3 heads", "Encoder layer 0, head 0"],
    ["decoder", TARGET, TARGET, "1 layer by 3 heads", "Decoder layer 0, head 0"],
    ["cross", TARGET, SOURCE, "1 layer by 3 heads", "Cross layer 0, head 0"],
  ])("%s has its own tokens and heads", async (part, queries, keys, size, title) => {
    const { page } = shown;
    await page.getByTestId(`part-${part}`).click();
    await expect.poll(() => page.getByTestId(`part-${part}`).getAttribute("aria-pressed")).toBe("true");
    await expect.poll(() => pieces(page, "query")).toEqual(queries);
    await expect.poll(() => pieces(page, "key")).toEqual(keys);
    expect(await page.getByTestId("atlas").getAttribute("aria-label")).toContain(size);
    expect(await page.getByTestId("inspector").innerText()).toContain(title);
    await page.getByTestId("key-token").nth(1).hover();
    expect(Object.keys(await weights(page)).every((index) => Number(index) < queries.length)).toBe(true);
  });

  test("a row across the texts adds up to 1, in three kinds", async () => {
    const { page } = shown;
    await page.getByTestId("part-cross").click();
    await page.getByTestId("query-token").nth(3).click();
    await page.mouse.move(700, 20);
    expect(await page.getByTestId("subject").innerText()).toMatch(/dog.*attends to/);
    const sum = Object.values(await weights(page)).reduce((total, weight) => total + Number(weight), 0);
    expect(sum).toBeCloseTo(1, 1);
    const kinds = await page.getByTestId("kinds").locator("div").allInnerTexts();
    expect(kinds.map((kind) => kind.replace(/\s*[\d.]+ %/, "").trim())).toEqual([
      "first token",
      "separators",
      "other tokens",
    ]);
    await page.keyboard.press("e");
    expect((await link(page)).head).toBe("0.0");
    await page.keyboard.press("e");
    await page.keyboard.press("e");
    expect((await link(page)).head).toBe("3.0");
    await page.getByTestId("view-tokens").click();
    expect(await page.getByTestId("tokens-view").locator("tr.group").allInnerTexts()).toEqual(["target", "source"]);
    await page.getByTestId("view-head").click();
  });
});

test("the target is edited in place, and the picture follows", async () => {
  const { page, complaints } = await open(browser, app.url, { hash: "#head=3.1" });
  await page.getByTestId("sentence-b").fill("a dog");
  await expect.poll(() => pieces(page, "query")).toEqual("[PAD] [CLS] a dog".split(" "));
  expect(await pieces(page, "key")).toEqual(SOURCE);
  expect(await page.getByTestId("numerics").innerText()).toContain("8 tokens and 4 of the target");
  expect(complaints).toEqual([]);
  await page.context().close();
});
