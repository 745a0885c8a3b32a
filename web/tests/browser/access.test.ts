/** axe-core finds nothing to complain about, in both themes and all views. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Browser } from "playwright-core";
import { exportModel, exportPage, launch, open, twoStacks } from "./headscope";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

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
    ["a narrow screen", "#head=1.11&query=2", 390],
  ])("%s", async (_, hash, width) => {
    const { page } = await open(browser, file, { width, hash: `${hash}&theme=${theme}` });
    expect(await violations(page)).toEqual([]);
    await page.getByTestId("view-matrix").click();
    expect(await violations(page)).toEqual([]);
    await page.getByTestId("view-tokens").click();
    expect(await violations(page)).toEqual([]);
    await page.getByTestId("help").click();
    expect(await violations(page)).toEqual([]);
    await page.context().close();
  });
});

test.each(["light", "dark"])("an encoder-decoder, %s", async (theme) => {
  const { page } = await open(browser, ofTwo, { hash: `#head=3.1&query=2&theme=${theme}` });
  expect(await violations(page)).toEqual([]);
  await page.getByTestId("view-matrix").click();
  expect(await violations(page)).toEqual([]);
  await page.getByTestId("view-tokens").click();
  expect(await violations(page)).toEqual([]);
  await page.context().close();
});

async function violations(page: Awaited<ReturnType<typeof open>>["page"]): Promise<string[]> {
  // The page's own policy forbids foreign scripts; the debugger may evaluate one all the same.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations: found } = await (globalThis as any).axe.run(document, {
      resultTypes: ["violations"],
    });
    return found.flatMap(({ id, nodes }: any) =>
      nodes.map((node: any) => `${id}: ${node.target.flat().join(" ")} ${node.failureSummary}`),
    );
  });
}
