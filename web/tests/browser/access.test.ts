/** axe-core finds nothing to complain about, in both themes and all views. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Browser } from "playwright-core";
import { exportModel, exportPage, launch, open, twoStacks, violationsOf } from "./headscope";

const VIEWS = ["matrix", "text", "neuron", "model", "tokens"];

let browser: Browser;
let file: string;
let ofTwo: string;

beforeAll(async () => {
  browser = await launch();
  file = exportPage();
  ofTwo = exportModel(["-m", twoStacks()], "the cat sat", "the dog");
});

afterAll(() => browser?.close());

describe.each(["light", "dark"])("%s", (theme) => {
  test.each([
    ["a head", "#head=1.11", 1440],
    ["a pinned query", "#head=1.11&query=2", 1440],
    ["a pinned key, filtered", "#head=7.3&key=2&flow=ab&special=hidden", 1440],
    ["several heads", "#head=1.11&heads=1.11 0.2 7.3&query=2", 1440],
    ["heads beside each other", "#head=1.11&heads=1.11 0.2&query=2&lay=beside", 1440],
    ["one head less another", "#head=1.11&heads=1.11 0.2&query=2&lay=difference", 1440],
    ["words, the strongest edges", "#head=1.11&grain=words&keep=top3&key=2", 1440],
    ["a narrow screen", "#head=1.11&query=2", 390],
  ])("%s", async (_, hash, width) => {
    const { page } = await open(browser, file, { width, hash: `${hash}&theme=${theme}` });
    expect(await violationsOf(page)).toEqual([]);
    for (const view of VIEWS) {
      await page.getByTestId(`view-${view}`).click();
      expect(await violationsOf(page)).toEqual([]);
    }
    await page.getByTestId("export").click();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByTestId("help").click();
    expect(await violationsOf(page)).toEqual([]);
    await page.context().close();
  });
});

test.each(["light", "dark"])("an encoder-decoder, %s", async (theme) => {
  const { page } = await open(browser, ofTwo, { hash: `#head=3.1&query=2&theme=${theme}` });
  expect(await violationsOf(page)).toEqual([]);
  for (const view of VIEWS) {
    await page.getByTestId(`view-${view}`).click();
    expect(await violationsOf(page)).toEqual([]);
  }
  await page.context().close();
});
