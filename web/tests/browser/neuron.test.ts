/** The neuron view in a real browser: what is printed adds up, for every kind of rule. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Browser, Page } from "playwright-core";
import { type App, exportPage, launch, link, open, serve, temporaryFolder, violationsOf } from "./headscope";

let browser: Browser;
let app: App;
let file: string;

const ALL = "*attn.pattern,*attn.q*,*attn.k*";

/** A page of a tiny model that was given ids; of two stacks the target too. */
function fixture(name: string, sites = ALL, target = false): string {
  const folder = temporaryFolder();
  const [trace, page] = [join(folder, "t.safetensors"), join(folder, "view.html")];
  const run = (...args: string[]) => execFileSync(process.env.HEADSCOPE_BIN!, args, { stdio: "pipe" });
  const model = join(import.meta.dirname, "../../../fixtures", name);
  const given = ["--ids", "1,2,3,4,5,6,7,8", ...(target ? ["--decoder-ids", "0,4,5,6"] : [])];
  run("trace", "-m", model, "-o", trace, "--sites", sites, ...given);
  run("open", trace, "-o", page);
  return `file://${page}`;
}

beforeAll(async () => {
  [browser, app] = await Promise.all([launch(), serve()]);
  file = exportPage();
});

afterAll(async () => {
  await browser?.close();
  app?.stop();
});

/** The printed lines of the sum, by step. */
async function steps(page: Page): Promise<Record<string, string>> {
  const lines = await page
    .getByTestId("neuron-sum")
    .locator("[data-step]")
    .evaluateAll((all) =>
      all.map((line) => [
        (line as HTMLElement).dataset.step,
        line.querySelector("dd")!.textContent!.replace("−", "-"),
        line.querySelector(".how")!.textContent,
      ]),
    );
  hows = Object.fromEntries(lines.map(([key, , how]) => [key, how]));
  return Object.fromEntries(lines.map(([key, value]) => [key, value]));
}
let hows: Record<string, string>;

/** Computes every line from those printed above it, and compares it with what is printed. */
function checkSum(printed: Record<string, string>): void {
  const of = (key: string) => Number(printed[key] ?? 0);
  const near = (key: string, value: number) => {
    if (!(key in printed)) return;
    const digits = printed[key].split(".")[1]?.length ?? 0;
    expect(of(key), `${key} of ${JSON.stringify(printed)}`).toBeCloseTo(value, digits - 0.1);
  };
  if ("before" in printed) near("dot", of("before") + of("rotation"));
  near("scaled", (of("dot") + of("met-query") + of("met-key")) * of("scale"));
  const cap = Number(/^[\d.]+/.exec(hows.capped ?? "")?.[0]);
  near("capped", cap * Math.tanh(of("scaled") / cap));
  const before = ["capped", "scaled"].find((key) => key in printed);
  const product = (of("dot") + of("met-query") + of("met-key")) * of("scale");
  near("score", (before ? of(before) : product) + of("position"));
  if (printed.mask === "hidden") return expect(printed.weight).toBe("0");
  near("lse", of("most") + Math.log(of("sum")));
  const weight = Math.exp(of("score") - of("lse"));
  const significant = printed.weight.replace(/e.*|\./g, "").replace(/^0+/, "").length;
  expect(weight.toPrecision(significant)).toBe(Number(printed.weight).toPrecision(significant));
}

/** The weights of the keys' column, by key. */
function column(page: Page): Promise<Record<string, number>> {
  return page
    .getByTestId("neuron-key")
    .getByRole("option")
    .evaluateAll((all) =>
      Object.fromEntries(
        all.map((each) => [(each as HTMLElement).dataset.index, Number(each.querySelector(".figure")!.textContent)]),
      ),
    );
}

async function openAt(url: string, hash: string, options = {}): Promise<Page> {
  const { page } = await open(browser, url, { hash: `#${hash}`, ...options });
  await page.getByTestId("view-neuron").click();
  await page.getByTestId("neuron-sum").waitFor();
  return page;
}

describe("the printed lines give the weight", () => {
  test.each([
    ["of a pair of sentences", () => file, ["0.2", "1.11", "7.3", "11.0"], ["dot", "scale"]],
    ["of a rotary decoder", () => fixture("llama"), ["0.0", "1.1"], ["before", "rotation"]],
    ["with neighbours that turn", () => fixture("gptj"), ["0.0", "1.1"], ["before", "rotation"]],
    ["with ALiBi", () => fixture("bloom"), ["0.0", "1.1"], ["position"]],
    ["with buckets", () => fixture("t5", ALL, true), ["0.0", "1.2", "2.1"], ["position"]],
    ["across two texts", () => fixture("t5", ALL, true), ["3.0", "3.2"], ["dot"]],
    ["with a soft cap", () => fixture("gemma2"), ["0.0", "1.1"], ["capped"]],
    ["with a learned sink", () => fixture("gpt_oss"), ["0.0", "1.1"], ["sink"]],
    ["with vectors of distances", () => fixture("deberta-v2", `${ALL},*attn.pos_*`), ["0.0", "1.1"], ["met-query", "met-key"]],
  ])("%s", async (_, url, heads, expected) => {
    const address = url();
    let seen = 0;
    for (const head of heads) {
      const page = await openAt(address, `head=${head}`);
      const queries = await page.getByTestId("neuron-query").getByRole("option").count();
      const keys = await page.getByTestId("neuron-key").getByRole("option").count();
      for (const [query, key] of [[queries - 1, 0], [2, 2], [2, 1], [3, keys - 1], [0, 0]]) {
        await page.getByTestId("neuron-query").locator(`[data-index="${query}"]`).click();
        await page.getByTestId("neuron-key").locator(`[data-index="${key}"]`).click();
        await expect.poll(() => page.getByTestId("neuron-note").innerText()).toBe("pinned");
        const printed = await steps(page);
        if (printed.mask === "visible") {
          seen++;
          for (const step of expected) expect(printed).toHaveProperty(step);
        }
        checkSum(printed);
        expect(Math.abs((await column(page))[key] - Number(printed.weight))).toBeLessThan(0.00051);
      }
      await page.context().close();
    }
    expect(seen).toBeGreaterThanOrEqual(3);
  });
});

describe.each([
  ["app", () => app.url],
  ["page", () => file],
])("in the %s", (_, home) => {
  test("the weight is the one that the head view shows", async () => {
    const page = await openAt(home(), "head=1.11&query=2");
    const printed = await steps(page);
    expect(await page.getByTestId("neuron-note").innerText()).toContain("the strongest of this query");
    await page.getByTestId("view-head").click();
    const shown = await page.getByTestId("weight").evaluateAll((all) => all.map((each) => each.textContent!));
    expect(Math.abs(Math.max(...shown.map(Number)) - Number(printed.weight))).toBeLessThan(0.00051);
    await page.context().close();
  });

  test("tokens are chosen by click and by key, and the link keeps them", async () => {
    const page = await openAt(home(), "head=1.11");
    expect(await page.getByTestId("neuron-note").innerText()).toContain("sharpest row");
    await page.getByTestId("neuron-query").getByRole("option").nth(3).click();
    await page.getByTestId("neuron-key").getByRole("option").nth(5).click();
    await expect.poll(() => link(page)).toMatchObject({ query: "3", key: "5", view: "neuron" });
    await page.keyboard.press("j");
    await page.keyboard.press("K");
    await expect.poll(() => link(page)).toMatchObject({ query: "4", key: "4" });
    checkSum(await steps(page));
    await page.keyboard.press("ArrowLeft");
    await expect.poll(() => link(page)).toMatchObject({ head: "1.10", query: "4", key: "4" });
    checkSum(await steps(page));
    await page.context().close();
  });

  test("a dimension shows its numbers, and all of them stand in a table", async () => {
    const page = await openAt(home(), "head=1.11&query=2&key=3");
    const strip = page.locator(".strip-row svg").first();
    const box = (await strip.boundingBox())!;
    await page.mouse.move(box.x + box.width * (4.5 / 32), box.y + box.height / 2);
    const said = await page.getByTestId("neuron-dimension").innerText();
    const found = /^dim 4: q (\S+) × k (\S+) = (\S+), (\S+) % of the sum$/.exec(said.replaceAll("−", "-"))!;
    const [q, k, product] = found.slice(1).map(Number);
    expect(q * k).toBeCloseTo(product, 1);
    await page.getByTestId("neuron-numbers").locator("summary").click();
    await page.getByTestId("neuron-numbers").locator("td").first().waitFor();
    const products = await page
      .getByTestId("neuron-numbers")
      .locator("tbody tr td:nth-child(4)")
      .evaluateAll((all) => all.map((cell) => Number(cell.textContent!.replace("−", "-"))));
    expect(products).toHaveLength(32);
    const sum = products.reduce((total, each) => total + each, 0);
    expect(sum).toBeCloseTo(Number((await steps(page)).dot), 3);
    await page.context().close();
  });
});

test("what is masked says so", async () => {
  const page = await openAt(fixture("llama"), "head=0.0&query=2&key=5");
  const printed = await steps(page);
  expect(printed).toMatchObject({ mask: "hidden", weight: "0" });
  expect(hows.mask).toBe("the key comes after the query");
  await page.context().close();
});

test("rotation is shown by pair, and its changes add up", async () => {
  const page = await openAt(fixture("llama"), "head=0.0&query=5&key=2");
  await page.getByTestId("neuron-numbers").locator("summary").click();
  await page.getByTestId("neuron-numbers").locator("td").first().waitFor();
  const rows = await page
    .getByTestId("neuron-numbers")
    .locator("table")
    .nth(1)
    .locator("tbody tr")
    .evaluateAll((all) =>
      all.map((row) => [...row.querySelectorAll("td")].map((cell) => Number(cell.textContent!.replace("−", "-")))),
    );
  const total = (column: number) => rows.reduce((sum, row) => sum + row[column], 0);
  const printed = await steps(page);
  expect(total(1)).toBeCloseTo(Number(printed.before), 3);
  expect(total(3)).toBeCloseTo(Number(printed.dot), 3);
  // The fastest pair turns by one radian for each token between the two.
  expect(Math.abs(rows[0][2])).toBeCloseTo(3, 2);
  await page.context().close();
});

test("a trace without queries and keys says what is missing and how to record it", async () => {
  const { page } = await open(browser, fixture("bert", "*attn.pattern"), { hash: "#head=0.0" });
  await page.getByTestId("view-neuron").click();
  const said = await page.getByTestId("neuron-missing").innerText();
  expect(said).toContain("the queries and the keys were not recorded");
  expect(said).toContain('--sites "*attn.pattern,*attn.q*,*attn.k*"');
  expect(await page.getByTestId("neuron-pair").innerText()).toContain("attends to");
  await page.context().close();
});

describe.each(["light", "dark"])("nothing stands in a reader's way, %s", (theme) => {
  test.each([
    ["a pair of sentences", () => file, 1440],
    ["a narrow screen", () => file, 390],
    ["a rotary decoder", () => fixture("llama"), 1100],
    ["a trace without queries and keys", () => fixture("bert", "*attn.pattern"), 1440],
  ])("%s", async (_, url, width) => {
    const { page } = await open(browser, url(), { width, hash: `#head=1.1&theme=${theme}` });
    await page.getByTestId("view-neuron").click();
    await page.getByTestId("neuron-view").waitFor();
    expect(await violationsOf(page)).toEqual([]);
    const numbers = page.getByTestId("neuron-numbers").locator("summary");
    if (await numbers.count()) {
      await numbers.click();
      await page.getByTestId("neuron-numbers").locator("td").first().waitFor();
      expect(await violationsOf(page)).toEqual([]);
    }
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(wider).toBeLessThanOrEqual(0);
    await page.context().close();
  });
});
