/** The page as notebooks hold it: in sandboxed frames that know nothing of each other or of what is around. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Frame } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compiles, exportModel, launch, twoStacks } from "./headscope";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(() => browser?.close());

function framed(options: string[], ...texts: string[]): string {
  const page = readFileSync(fileURLToPath(exportModel(options, ...texts)), "utf8");
  const attribute = page.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<iframe sandbox="allow-scripts allow-downloads" style="width:1000px;height:640px" srcdoc="${attribute}"></iframe>`;
}

async function themeOf(frame: Frame): Promise<string | undefined> {
  await frame.getByTestId("head-view").waitFor();
  return frame.locator("main").evaluate((main) => (main as HTMLElement).dataset.theme);
}

test("several frames draw, and follow the colour scheme around them", async () => {
  const context = await browser.newContext({ colorScheme: null, offline: true });
  const page = await context.newPage();
  const [requests, complaints]: string[][] = [[], []];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  const texts = ["The cat sat", "The dog played"];
  const frames = framed(["--layer", "1", "--head", "11"], ...texts) + framed([], ...texts);
  await page.setContent(`<style>.dark iframe { color-scheme: dark }</style><body class="dark">${frames}`);
  for (const frame of page.frames().slice(1)) {
    await expect.poll(() => themeOf(frame)).toBe("dark");
  }
  await page.evaluate(() => document.body.classList.remove("dark"));
  await expect.poll(() => themeOf(page.frames()[2])).toBe("light");
  expect(await page.frames()[1].getByTestId("inspector").innerText()).toContain("Layer 1, head 11");
  expect(await page.frames()[1].getByTestId("copy-link").count(), "a link to a frame leads nowhere").toBe(0);
  expect(requests.filter((url) => !/^(about|data|blob):/.test(url))).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});

test("a long text's frame has a worker that may compile WebAssembly", async () => {
  const context = await browser.newContext({ offline: true });
  const page = await context.newPage();
  await page.setContent(framed(["-m", twoStacks(), "--target", "the dog"], "the cat sat on the mat ".repeat(40).trim()));
  const frame = page.frames()[1];
  await frame.getByTestId("head-view").waitFor();
  await expect.poll(() => frame.evaluate(() => performance.getEntriesByName("headscope:first-picture").length)).toBe(1);
  const [worker] = page.workers();
  expect(await compiles(worker)).toBe(true);
  await context.close();
});
