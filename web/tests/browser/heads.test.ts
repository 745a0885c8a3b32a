/** Eighty layers of sixty-four heads in a real browser. */

import { writeFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "./headscope";
import { serveSynthetic } from "./synthetic";

const [LAYERS, HEADS] = [80, 64];

let browser: Browser;
let served: Awaited<ReturnType<typeof serveSynthetic>>;

beforeAll(async () => {
  browser = await launch();
  served = await serveSynthetic(24, LAYERS, HEADS);
});

afterAll(async () => {
  served?.server.close();
  await browser?.close();
});

async function show(colorScheme: "light" | "dark" = "light"): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme })).newPage();
  await page.goto(served.url);
  await page.getByTestId("key-token").first().waitFor();
  return page;
}

const title = (page: Page) => page.locator(".inspector .title").innerText();

test("the atlas shows them all, finds one by its place and by its value", async () => {
  const page = await show();
  const canvas = page.getByTestId("atlas-canvas");
  const box = (await canvas.boundingBox())!;
  const cell = box.width / HEADS;
  expect(cell).toBeGreaterThanOrEqual(3);
  await canvas.click({ position: { x: 40.5 * cell, y: 20.5 * cell } });
  await expect.poll(() => title(page)).toBe("Layer 20, head 40");
  // By value: 7919 i mod 5120 is largest, 5119, at i = 2321: layer 36, head 17.
  const best = Array.from({ length: LAYERS * HEADS }, (_, i) => i).find((i) => (i * 7919) % 5120 === 5119)!;
  const chip = page.getByTestId("find-previous").getByRole("button").first();
  await chip.click();
  await expect.poll(() => title(page)).toBe(`Layer ${Math.floor(best / HEADS)}, head ${best % HEADS}`);
  // Sorted by the metric it comes first.
  await page.getByTestId("order").first().selectOption("previous");
  await canvas.click({ position: { x: 1, y: 1 } });
  await expect.poll(() => title(page)).toBe(`Layer ${Math.floor(best / HEADS)}, head ${best % HEADS}`);
  await canvas.click({ position: { x: 1 + 1.5 * cell, y: 1 } });
  await expect.poll(() => title(page)).not.toBe(`Layer ${Math.floor(best / HEADS)}, head ${best % HEADS}`);
});

test.each(["light", "dark"] as const)("the model view shows them all without a long pause, %s", async (scheme) => {
  const page = await show(scheme);
  const pause = await page.evaluate(async () => {
    const root = document.querySelector("main")!.shadowRoot!;
    const start = performance.now();
    root.querySelector<HTMLElement>('[data-testid="view-model"]')!.click();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - start;
  });
  expect(pause).toBeLessThan(1000);
  if (process.env.SHOTS) writeFileSync(`${process.env.SHOTS}/model-${scheme}.png`, await page.screenshot());
  const curves = await page.evaluate(async () => {
    const root = document.querySelector("main")!.shadowRoot!;
    const start = performance.now();
    root.querySelector<HTMLElement>('[data-testid="draw-curves"]')!.click();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - start;
  });
  expect(curves).toBeLessThan(3000);
  console.log(`80 x 64 heads, ${scheme}: matrices ${pause.toFixed(0)} ms, curves ${curves.toFixed(0)} ms`);
  if (process.env.SHOTS) writeFileSync(`${process.env.SHOTS}/curves-${scheme}.png`, await page.screenshot());
  await page.context().close();
});
