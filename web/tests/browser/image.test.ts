/** A model that sees: the image with its patches beside the head view. */

import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, open, pieces, temporaryFolder, weights } from "./headscope";

const FIXTURES = resolve(import.meta.dirname, "../../../fixtures");

let browser: Browser;
let url: string;

beforeAll(async () => {
  browser = await launch();
  const file = join(temporaryFolder(), "view.html");
  const image = join(FIXTURES, "images/rgb.png");
  execFileSync(process.env.HEADSCOPE_BIN!, [image, "-m", join(FIXTURES, "vit"), "-o", file], {
    stdio: "pipe",
  });
  url = `file://${file}`;
});

afterAll(() => browser?.close());

test("a patch shows where it looks, on the image and beside the tokens", async () => {
  const { page, complaints } = await open(browser, url, { offline: true });
  expect(await pieces(page, "query")).toHaveLength(10);
  const patches = page.getByTestId("patches");
  const box = (await patches.boundingBox())!;
  const before = await patches.locator("canvas").evaluate(picture);

  // The patch in the middle is the fifth of nine, behind [CLS].
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  expect(await page.getByTestId("subject").innerText()).toBe("“r1c1” attends to");
  expect(await patches.locator("canvas").evaluate(picture)).not.toBe(before);
  const beside = await weights(page);
  const printed = await page
    .getByTestId("patch-weight")
    .evaluateAll((all) => all.map((each) => [(each as HTMLElement).dataset.index!, each.textContent]));
  expect(printed.length).toBeGreaterThan(0);
  for (const [index, weight] of printed) expect(beside[index]).toBe(weight);
  expect(await page.getByTestId("image-special").locator(".figure").innerText()).toBe(beside[0] ?? "0.000");
  const onPatches = Object.entries(beside).filter(([index]) => index !== "0");
  const largest = Math.max(...onPatches.map(([, weight]) => Number(weight)));
  expect(await page.getByTestId("image-words").innerText()).toContain(`brightest patch has ${largest.toFixed(3)}`);

  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.move(box.x + box.width / 2, box.y - 80);
  expect(await page.getByTestId("query-token").nth(5).getAttribute("aria-selected")).toBe("true");
  await page.keyboard.press("Escape");
  expect(await page.getByTestId("patch-weight").count()).toBe(0);
  expect(complaints).toEqual([]);
  await page.context().close();
});

test("a token that is attended to shows from where", async () => {
  const { page } = await open(browser, url, { offline: true });
  await page.getByTestId("key-token").nth(3).hover();
  expect(await page.getByTestId("image-panel").innerText()).toContain("what attends to it");
  await page.context().close();
});

/** What a canvas shows. (Pixels that are read twice make the browser complain.) */
function picture(canvas: HTMLCanvasElement | SVGElement | HTMLElement): string {
  return (canvas as HTMLCanvasElement).toDataURL();
}
