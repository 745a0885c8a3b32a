/** Starts the binary named by HEADSCOPE_BIN and a Chromium to look at what it makes. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, expect, onTestFinished } from "vitest";
import { Safetensors } from "../../src/model/safetensors";

export const PAIR = ["The cat sat on the mat", "The dog played in the park"];

const folders: string[] = [];

/** A folder that is gone when the tests of a file have run. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "headscope-"));
  folders.push(folder);
  return folder;
}

afterAll(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function binary(): string {
  const path = process.env.HEADSCOPE_BIN;
  if (!path || !existsSync(path)) throw new Error(`HEADSCOPE_BIN names no file: ${path}`);
  return path;
}

function chrome(): string {
  const places = [
    process.env.CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ];
  const found = places.find((path) => path && existsSync(path));
  if (!found)
    throw new Error(`no Chromium at ${places.slice(1).join(", ")}: install one, or name it in CHROMIUM`);
  return found;
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: chrome(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface App {
  url: string;
  stop(): void;
}

/** Serves the workbench for some texts. */
export function serve(...texts: string[]): Promise<App> {
  return serveModel([], ...(texts.length ? texts : PAIR));
}

/** Serves it for one test, until its pages are closed: what they still ask for is answered. */
export async function serveHere(...texts: string[]): Promise<App> {
  const app = await serve(...texts);
  onTestFinished(() => app.stop());
  return app;
}

/** Serves it with further options. */
export function serveModel(options: string[], ...texts: string[]): Promise<App> {
  return serveArguments([...options, "--", ...texts]);
}

/** Serves the lesson. */
export function serveLesson(...options: string[]): Promise<App> {
  return serveArguments(["learn", ...options]);
}

async function serveArguments(options: string[]): Promise<App> {
  const at = options[0] === "learn" ? 1 : 0;
  const args = options.toSpliced(at, 0, "--no-browser", "--port", "0");
  const process = spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe"] });
  return { url: await printedUrl(process), stop: () => void process.kill("SIGINT") };
}

function printedUrl(process: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const listen = (chunk: Buffer) => {
      said += chunk;
      const url = /http:\/\/127\.0\.0\.1:\d+\/\S*/.exec(said)?.[0];
      if (url) resolve(url);
    };
    process.stdout!.on("data", listen);
    process.stderr!.on("data", listen);
    process.on("exit", (code) => reject(new Error(`headscope left with ${code}: ${said}`)));
  });
}

/** Writes a self-contained page for some texts; returns its address. */
export function exportPage(...texts: string[]): string {
  return exportModel([], ...(texts.length ? texts : PAIR));
}

/** Writes it with further options. */
export function exportModel(options: string[], ...texts: string[]): string {
  const file = join(temporaryFolder(), "view.html");
  execFileSync(binary(), ["-o", file, ...options, "--", ...texts], { stdio: "pipe" });
  return `file://${file}`;
}

/** Writes the lesson as a file; returns its address. */
export function exportLesson(...options: string[]): string {
  const file = join(temporaryFolder(), "lesson.html");
  execFileSync(binary(), ["learn", "-o", file, ...options], { stdio: "pipe" });
  return `file://${file}`;
}

/** Runs texts and reads back what was recorded at these sites. */
export function traced(sites: string, ...texts: string[]): Safetensors {
  const file = join(temporaryFolder(), "t.safetensors");
  execFileSync(binary(), ["trace", "-o", file, "--sites", sites, "--", ...texts], { stdio: "pipe" });
  return Safetensors.read(new Uint8Array(readFileSync(file)));
}

/** A folder with a tiny model of two stacks. */
export function twoStacks(): string {
  return tiny("t5");
}

/** A folder with one of the tiny models of the fixtures, and a tokenizer for it. */
export function tiny(fixture: string): string {
  const folder = temporaryFolder();
  for (const file of ["config.json", "model.safetensors"]) {
    copyFileSync(join(import.meta.dirname, "../../../fixtures", fixture, file), join(folder, file));
  }
  const words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat a dog played in park";
  writeFileSync(join(folder, "vocab.txt"), words.replaceAll(" ", "\n"));
  writeFileSync(join(folder, "tokenizer_config.json"), '{"tokenizer_class": "BertTokenizer"}');
  return folder;
}

/** A page with a record of all that it asks for and complains about. */
export interface Watched {
  page: Page;
  requests: string[];
  complaints: string[];
}

export interface Opened {
  width?: number;
  height?: number;
  offline?: boolean;
  hash?: string;
}

/** Opens an address and waits for the first picture. */
export async function open(browser: Browser, url: string, options: Opened = {}): Promise<Watched> {
  const { width = 1440, height = 900, offline = false, hash = "" } = options;
  const context = await browser.newContext({ viewport: { width, height }, offline });
  const page = await context.newPage();
  const watched: Watched = { page, requests: [], complaints: [] };
  page.on("request", (request) => watched.requests.push(request.url()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) watched.complaints.push(message.text());
  });
  page.on("pageerror", (error) => watched.complaints.push(String(error)));
  if (url.startsWith("http")) await page.goto(url); // the token becomes a cookie
  await page.goto("about:blank");
  await page.goto(url.startsWith("http") ? new URL(new URL(url).pathname + hash, url).href : url + hash);
  await drawn(page);
  return watched;
}

/**
 * Opens pages for the tests of a file, and closes them after each: whatever a test did, neither the page's policy
 * nor a script complained. `also` is asked of each page before it is closed.
 */
export function visits(browser: () => Browser, also: (watched: Watched) => void = () => {}) {
  const opened: Watched[] = [];
  afterEach(async () => {
    for (const watched of opened.splice(0)) {
      also(watched);
      await watched.page.context().close();
      expect(watched.complaints).toEqual([]);
    }
  });
  const visit = async (url: string, options?: Opened): Promise<Page> => {
    const watched = await open(browser(), url, options);
    opened.push(watched);
    return watched.page;
  };
  return { visit, opened };
}

/** Waits until the head view is drawn. */
export function drawn(page: Page) {
  return page.waitForFunction(() => performance.getEntriesByName("headscope:first-picture").length > 0);
}

/** Whether a page, or a worker of it, may compile WebAssembly; it is asked with an empty module. */
export function compiles(where: { evaluate(asked: () => Promise<boolean>): Promise<boolean> }): Promise<boolean> {
  return where.evaluate(async () => {
    const module = WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    return module.then(
      () => true,
      () => false,
    );
  });
}

/** The pieces of one side, in order. */
export function pieces(page: Page, side: "query" | "key"): Promise<string[]> {
  return page.getByTestId(`${side}-token`).allInnerTexts();
}

/** The weights shown beside the tokens: by token index, as printed. */
export async function weights(page: Page): Promise<Record<string, string>> {
  const shown = await page
    .getByTestId("weight")
    .evaluateAll((all) => all.map((each) => [(each as HTMLElement).dataset.index, each.textContent]));
  return Object.fromEntries(shown);
}

/** Points at the thumbnail of a head. */
export async function thumbnail(page: Page, layer: number, head: number) {
  const box = (await page.getByTestId("atlas-canvas").boundingBox())!;
  const cell = box.width / 12;
  return { x: box.x + (head + 0.5) * cell, y: box.y + (layer + 0.5) * cell };
}

/** The link's fields. */
export async function link(page: Page): Promise<Record<string, string>> {
  await page.waitForTimeout(200); // it is written when nothing changes
  const hash = await page.evaluate(() => location.hash);
  return Object.fromEntries(new URLSearchParams(hash.slice(1)));
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core complains about. */
export async function violationsOf(page: Page): Promise<string[]> {
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
