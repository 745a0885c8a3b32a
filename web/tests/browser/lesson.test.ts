/** The lesson: what it prints is what the model computed, it follows the reader, and it can be read by anyone. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Browser, Page } from "playwright-core";
import type { Safetensors } from "../../src/model/safetensors";
import { type App, exportLesson, launch, link, PAIR, serveLesson, tiny, traced, violationsOf, visits } from "./headscope";

const CHAPTERS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const SENSES = ["We sat by the river bank", "We went to the money bank"];
const IDS = [101, 1996, 4937, 2938, 2006, 1996, 13523, 102, 1996, 3899, 2209, 1999, 1996, 2380, 102];
const PLAYED = 10;
const N = IDS.length;

let browser: Browser;
let file: string;
let app: App;
let pair: Safetensors;

beforeAll(async () => {
  browser = await launch();
  file = exportLesson();
  app = await serveLesson();
  pair = traced("*.attn.pattern,*.attn.q,*.attn.k,*.attn.v,*.attn.z", ...PAIR);
});

afterAll(async () => {
  await browser?.close();
  app?.stop();
});

const { visit, opened } = visits(
  () => browser,
  ({ requests }) => expect(requests.filter((url) => !/^(file:|data:|blob:|about:|http:\/\/127)/.test(url))).toEqual([]),
);

const live = (page: Page, of: string) => page.locator(`[data-live="${of}"]`).innerText();
const number = (text: string) => Number(text.replace("−", "-"));
const cell = async (page: Page, selector: string) => number(await page.locator(selector).innerText());
/** One row of a head of the recorded patterns. */
const row = (layer: number, head: number, query: number) =>
  pair.head(`blocks.${layer}.attn.pattern`, head).subarray(query * N, (query + 1) * N);

describe("the numbers are those of the trace", () => {
  test("1: ids, and what an id stands for", async () => {
    const page = await visit(app.url);
    const cards = page.getByTestId("figure-tokens").locator(".chips .under");
    expect((await cards.allInnerTexts()).map(Number)).toEqual(IDS);
    expect(await live(page, "word")).toBe("2938");
    await expect.poll(() => page.getByTestId("lookup-piece").innerText()).toBe("“parliament”");
    await page.getByTestId("lookup-id").fill("2938");
    await expect.poll(() => page.getByTestId("lookup-piece").innerText()).toBe("“sat”");
    await page.getByTestId("lookup-id").fill("999999");
    await expect.poll(() => page.getByTestId("lookup-piece").innerText()).toBe("not in the list");
  });

  test("2: padding has no weight, and what is switched off goes to the others", async () => {
    const page = await visit(file, { hash: "#chapter=2" });
    const weights = async () => (await page.locator("td[data-weight]").allInnerTexts()).map(Number);
    const head = Number(/head (\d+)/.exec(await page.getByTestId("figure-mask").locator("figcaption").innerText())![1]);
    // Sentence A alone is what the first row of the batch is, but for the padding.
    const alone = traced("blocks.0.attn.pattern", PAIR[0]).head("blocks.0.attn.pattern", head);
    const query = (await page.locator(".rows .plain").evaluateAll((all) => all.findIndex((each) => each.ariaPressed === "true")))!;
    const own = Array.from(alone.subarray(query * 8, (query + 1) * 8));
    const expected = [...own, ...Array.from({ length: N - 8 }, () => 0)];
    (await weights()).forEach((weight, i) => expect(weight).toBeCloseTo(expected[i], 3));

    await page.getByTestId("mask-0").click();
    const rest = 1 - own[0];
    (await weights()).forEach((weight, i) => expect(weight).toBeCloseTo(i === 0 ? 0 : expected[i] / rest, 2));
    expect(await live(page, "sum")).toBe("1.000");
    await page.getByTestId("mask-9").click(); // a filler is let in
    expect((await weights())[9]).toBeGreaterThan(0);
    expect(await live(page, "sum")).toBe("1.000");
    await page.getByTestId("mask-reset").click();
    (await weights()).forEach((weight, i) => expect(weight).toBeCloseTo(expected[i], 3));
  });

  test("3: one vector before the first layer, two after it", async () => {
    const page = await visit(file, { hash: "#chapter=3" });
    const sites = "word_embed,pos_embed,*.resid_pre";
    const [first, second] = SENSES.map((text) => traced(sites, text));
    const bank = 6; // [CLS] we sat by the river bank
    const at = (of: Safetensors, site: string) => {
      const width = of.shape(site)[1];
      return of.f32(site).subarray(bank * width, (bank + 1) * width);
    };
    expect(at(first, "word_embed")).toEqual(at(second, "word_embed"));
    await expect.poll(() => page.getByTestId("word_embed").innerText()).toContain("the same in both sentences");
    const cosine = (site: string) => {
      const [a, b] = [at(first, site), at(second, site)].map((vector) => Array.from(vector));
      const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    };
    await page.getByText("the curve as a table").click();
    for (let layer = 0; layer < 12; layer++) {
      const printed = await cell(page, `[data-step="${layer}"] td:nth-of-type(1)`);
      expect(printed).toBeCloseTo(cosine(`blocks.${layer}.resid_pre`), 4);
    }
    expect(await cell(page, '[data-step="12"] td:nth-of-type(1)')).toBeCloseTo(cosine("last_hidden"), 4);
    expect(await live(page, "cosine-first")).toBe("1.000");
  });

  test("4 and 5: products, every step of a row, and the blend", async () => {
    const hash = "chapter=4&head=2.7&query=10";
    const page = await visit(file, { hash: `#${hash}` });
    const [q, k, v, z] = ["q", "k", "v", "z"].map((point) => pair.head(`blocks.2.attn.${point}`, 7));
    const width = q.length / N;
    const dot = (key: number) => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += q[PLAYED * width + i] * k[key * width + i];
      return sum;
    };
    for (let key = 0; key < N; key++) expect(await cell(page, `[data-fit="${key}"]`)).toBeCloseTo(dot(key), 2);

    await page.getByTestId("next").click();
    const weights = row(2, 7, PLAYED);
    const best = Math.max(...Array.from({ length: N }, (_, key) => dot(key))) / Math.sqrt(width);
    for (let key = 0; key < N; key++) {
      const cells = (await page.locator(`[data-key="${key}"] td.number`).allInnerTexts()).map(number);
      const scaled = dot(key) / Math.sqrt(width);
      [dot(key), scaled, scaled - best].forEach((value, i) => expect(cells[i]).toBeCloseTo(value, 2));
      expect(cells[3]).toBeCloseTo(Math.exp(scaled - best), 3);
      expect(cells[4]).toBeCloseTo(weights[key], 4);
    }
    // The blend, number by number, is what the model goes on with.
    const strip = page.getByTestId("blended").locator("svg").last();
    await strip.scrollIntoViewIfNeeded();
    const box = (await strip.boundingBox())!;
    for (const dimension of [0, 5, width - 1]) {
      await page.mouse.move(box.x + ((dimension + 0.5) / width) * box.width, box.y + box.height / 2);
      const said = await page.getByTestId("blended").locator(".readout .key").last().innerText();
      expect(number(said.split(" ")[1])).toBeCloseTo(z[PLAYED * width + dimension], 2);
    }
    expect(v.length).toBe(z.length);

    await page.getByTestId("temperature").fill("1"); // ten times as hot: nearly even
    const hot = (await page.locator("[data-weight]").allInnerTexts()).map(Number);
    expect(Math.max(...hot)).toBeLessThan(0.12);
    await page.getByTestId("temperature").fill("-1");
    const cold = (await page.locator("[data-weight]").allInnerTexts()).map(Number);
    expect(Math.max(...cold)).toBeGreaterThan(0.99);
  });

  test("6: habits", async () => {
    const page = await visit(file, { hash: "#chapter=6" });
    const back = page.locator('[data-habit="previous"]');
    expect(await back.locator("td").first().innerText()).toBe("0·2");
    const special = [0, 7, N - 1];
    const words = [...IDS.keys()].filter((i) => !special.includes(i));
    const rows = words.map((i) => row(0, 2, i)[i - 1]);
    const mean = rows.reduce((sum, weight) => sum + weight, 0) / rows.length;
    expect(number((await back.locator("td.number").first().innerText()).replace(" %", ""))).toBeCloseTo(mean * 100, 0);
    await page.locator('[data-habit="next"] button').click();
    expect(await page.locator('[data-habit="next"]').getAttribute("data-on")).toBe("true");
  });

  test("7: the cat and the dog", async () => {
    const page = await visit(file, { hash: "#chapter=7" });
    const largest = (query: number, key: number) => {
      const all = Array.from({ length: 144 }, (_, i) => row(Math.floor(i / 12), i % 12, query)[key]);
      return Math.max(...all);
    };
    expect(await live(page, "best-weight")).toBe(largest(PLAYED, 9).toFixed(3));
    expect(await live(page, "most-1")).toBe(largest(3, 6).toFixed(2));
    const shares = await page.getByTestId("layers").locator("tbody tr").first().locator("td.number").allInnerTexts();
    const of = { first: 0, separators: 0 };
    for (let head = 0; head < 12; head++) {
      for (let query = 0; query < N; query++) {
        const weights = row(0, head, query);
        of.first += weights[0] / (12 * N);
        of.separators += (weights[7] + weights[14]) / (12 * N);
      }
    }
    expect(shares.slice(0, 2)).toEqual([of.first, of.separators].map((share) => `${(share * 100).toFixed(1)} %`));
    await page.getByRole("button", { name: "“sat” to “mat”" }).click();
    expect(await live(page, "best-weight")).toBe(largest(3, 6).toFixed(3));
  });

  test("8: under a causal mask nothing looks ahead", async () => {
    const page = await visit(file, { hash: "#chapter=8&head=0.3" });
    const pattern = pair.head("blocks.0.attn.pattern", 3);
    let ahead = 0;
    for (let query = 0; query < N; query++) {
      for (let key = query + 1; key < N; key++) ahead += pattern[query * N + key] / N;
    }
    expect(await live(page, "ahead")).toBe(`${(ahead * 100).toFixed(1)} %`);
    const masked = page.getByLabel("Under a causal mask");
    const box = (await masked.getByTestId("matrix").boundingBox())!;
    const [left, top, width, height] = (await masked.getByTestId("matrix").getAttribute("data-plot"))!.split(" ").map(Number);
    const size = Math.min(width / N, height / N);
    const point = (query: number, key: number) =>
      page.mouse.move(box.x + left + (width - size * N) / 2 + (key + 0.5) * size, box.y + top + (query + 0.5) * size);
    await point(3, 9);
    await expect.poll(() => masked.getByTestId("readout").innerText()).toMatch(/→ *\S+ *0\.000|→.*hidden/);
  });

  test("9: weight times length", async () => {
    const page = await visit(file, { hash: "#chapter=9&head=2.7&query=10" });
    const values = pair.head("blocks.2.attn.v", 7);
    const width = values.length / N;
    const weights = row(2, 7, PLAYED);
    const lengths = Array.from({ length: N }, (_, key) => Math.hypot(...values.subarray(key * width, (key + 1) * width)));
    const total = lengths.reduce((sum, length, key) => sum + length * weights[key], 0);
    for (let key = 0; key < N; key++) {
      const cells = (await page.locator(`[data-key="${key}"] td.number`).allInnerTexts()).map(Number);
      [weights[key], lengths[key], (lengths[key] * weights[key]) / total].forEach((value, i) => expect(cells[i]).toBeCloseTo(value, 2));
    }
  });
});

describe("it follows the reader", () => {
  test("what is typed flows through all chapters, and is in the link", async () => {
    const page = await visit(app.url);
    await page.getByTestId("sentence-a").fill("A curious rabbit slept");
    await expect.poll(() => page.getByTestId("figure-tokens").innerText()).toContain("rabbit");
    await page.getByTestId("chapter-5").click();
    expect(await page.getByTestId("steps-table").innerText()).toContain("rabbit");
    expect(await link(page)).toMatchObject({ chapter: "5", a: "A curious rabbit slept", b: PAIR[1] });
    await page.goBack();
    await expect.poll(() => link(page)).toMatchObject({ chapter: "1" });
    expect(await page.getByTestId("figure-tokens").innerText()).toContain("rabbit");
    await page.reload();
    await expect.poll(() => page.getByTestId("figure-tokens").innerText()).toContain("rabbit");
  });

  test("senses are changed in their chapter", async () => {
    const page = await visit(app.url, { hash: "#chapter=3" });
    await page.getByTestId("sentence-1").fill("A bat flew out of the cave");
    await page.getByTestId("sentence-2").fill("He swung his bat hard");
    await expect.poll(() => page.getByTestId("figure-context").innerText()).toContain("bat");
    await expect.poll(() => page.getByTestId("pos_embed").innerText()).toContain("different: positions 2 and 4");
    await page.getByTestId("sentence-2").fill("Nothing alike");
    await expect.poll(() => page.getByTestId("figure-context").innerText()).toContain("share no word");
  });

  test("a head and a token that were chosen stay chosen", async () => {
    const page = await visit(file, { hash: "#chapter=4" });
    await page.getByTestId("figure-roles").locator("[data-token='2']").click();
    await page.getByRole("button", { name: "Next layer" }).click();
    await page.keyboard.press("n");
    expect(await link(page)).toMatchObject({ chapter: "5", query: "2", head: "3.7" });
    expect(await page.getByTestId("figure-blend").locator("figcaption").innerText()).toContain("layer 3, head 7");
    await page.keyboard.press("p");
    expect(await link(page)).toMatchObject({ chapter: "4" });
  });

  test("empty and too long sentences are refused, and what was there stays", async () => {
    const page = await visit(app.url);
    await page.getByTestId("sentence-b").fill("  ");
    await expect.poll(() => page.getByTestId("problem").innerText()).toContain("Sentence B is empty");
    await page.getByTestId("sentence-b").fill("on and ".repeat(40));
    await expect.poll(() => page.getByTestId("problem").innerText()).toContain("room for 64");
    expect(await page.getByTestId("figure-tokens").innerText()).toContain("played");
    opened[0].complaints.splice(0); // the browser notes the refused request
  });

  test("to the workbench and back, with the text", async () => {
    const page = await visit(app.url, { hash: `#chapter=4&head=2.7&a=${encodeURIComponent("A frog jumped")}` });
    await expect.poll(() => page.getByTestId("figure-roles").innerText()).toContain("frog");
    await page.getByTestId("workbench").click();
    await page.getByTestId("head-view").waitFor();
    await expect.poll(() => page.getByTestId("query-token").allInnerTexts()).toContain("frog");
    expect(await link(page)).toMatchObject({ head: "2.7", a: "A frog jumped" });
    await page.getByTestId("learn").click();
    await expect.poll(() => page.getByTestId("figure-tokens").innerText()).toContain("frog");
  });

  test("a file has the workbench on its other side", async () => {
    const page = await visit(file, { hash: "#chapter=9", offline: true });
    await page.getByTestId("to-workbench").click();
    await page.getByTestId("head-view").waitFor();
    expect(await page.getByTestId("query-token").count()).toBe(N);
    await page.getByTestId("learn").click();
    expect(await page.getByTestId("chapter").innerText()).toContain("Text becomes tokens");
    await page.goBack();
    await page.getByTestId("head-view").waitFor();
  });
});

test("a decoder is set beside it", async () => {
  const page = await visit(exportLesson("--decoder", tiny("llama"), "the cat sat on a mat", "a dog played"), { hash: "#chapter=8" });
  await expect.poll(() => page.getByTestId("decoder").innerText()).toContain("layer");
  const matrix = page.getByTestId("decoder").getByTestId("matrix");
  expect(await matrix.getAttribute("aria-label")).toContain("queries");
});

describe.each(["light", "dark"])("axe-core, %s", (theme) => {
  test.each([
    [1440, "wide"],
    [390, "narrow"],
  ])("all chapters at %i", async (width) => {
    const page = await visit(app.url, { width, hash: `#chapter=1&theme=${theme}` });
    for (const chapter of CHAPTERS) {
      await page.evaluate((chapter) => (location.hash = location.hash.replace(/chapter=\d/, `chapter=${chapter}`)), chapter);
      await expect.poll(() => page.locator("#chapter-title").innerText()).toContain(String(chapter));
      await page.waitForTimeout(120); // views have drawn
      expect(await violationsOf(page)).toEqual([]);
      // Nothing is wider than the screen.
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }
  });
});
