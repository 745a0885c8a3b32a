/** Takes the pictures of docs/gallery.md: `node gallery.mjs BINARY FOLDER`, by `cargo xtask gallery`. */

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const [binary, folder] = process.argv.slice(2).map((path) => resolve(path));
const root = join(import.meta.dirname, "..");

const PAIR = ["The cat sat on the mat", "The dog played in the park"];
const LONG = [
  "The river had risen in the night. By the time the children reached the bank, the old bridge was gone, and the",
  "fishermen stood where it had been and said nothing. One of them pointed at the far side, where a dog ran up and",
  "down along the water; it had crossed yesterday, when there was still a way across, and now it could not come back.",
  "“He will wait,” the youngest said. The bank in town would not open today either, so nobody was in a hurry, and they",
  "sat down on the wet stones and watched the dog, and the dog sat down and watched them.",
].join(" ");
const SCRIPTS = "القطة جلست على السجادة. 猫坐在垫子上。 The café’s naïve résumé, and emoji 🐈‍⬛ too.";

/** Name, texts, options, link, width. */
const SHOTS = [
  ["head", PAIR, [], "head=1.11&query=2"],
  ["several-heads", PAIR, [], "head=1.11&heads=1.11 0.2 7.3&query=2"],
  ["beside", PAIR, [], "head=1.11&heads=1.11 0.2&query=2&lay=beside"],
  ["filtered", PAIR, [], "head=7.3&flow=ab&special=hidden"],
  ["matrix", PAIR, [], "view=matrix&head=3.8&query=2&key=9"],
  ["difference", PAIR, [], "view=matrix&head=1.11&heads=1.11 3.8&lay=difference&query=2&key=3"],
  ["matrix-long", [LONG], [], "view=matrix&head=3.11"],
  ["text", PAIR, [], "view=text&head=7.3&query=2"],
  ["text-long", [LONG], [], "view=text&head=7.3&query=73"],
  ["scripts", [SCRIPTS], [], "view=text&head=2.11&grain=words&query=8"],
  ["neuron", PAIR, [], "view=neuron&head=1.11&query=2&key=3"],
  ["model", PAIR, [], "view=model&head=1.11"],
  ["model-by-metric", PAIR, [], "view=model&head=1.11&order=previous"],
  ["words", [LONG], [], "head=3.11&grain=sentences"],
  ["tokens", PAIR, [], "view=tokens&head=1.11&query=2"],
  ["cross", ["the cat sat on the mat", "the dog played"], ["-m", "./tiny-t5"], "head=3.1&query=3"],
  ["narrow", PAIR, [], "head=1.11&query=2", 390],
];

/** Chapters of the lesson, and how tall they are. */
const CHAPTERS = [
  ["lesson-context", 3, 880],
  ["lesson-blend", 5, 1060],
  ["lesson-seeing", 7, 1400],
];

const scratch = mkdtempSync(join(tmpdir(), "headscope-"));
const models = twoStacks();
const browser = await chromium.launch({
  executablePath: ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync),
  args: ["--no-sandbox", "--disable-gpu"],
});
mkdirSync(folder, { recursive: true });
const file = join(scratch, "page.html");
for (const [name, texts, options, hash, width = 1280] of SHOTS) {
  execFileSync(binary, ["-o", file, ...options, "--", ...texts], { stdio: "pipe", cwd: models });
  await shoot(name, hash, width, width < 800 ? 844 : 800);
}
execFileSync(binary, ["learn", "-o", file], { stdio: "pipe" });
for (const [name, chapter, height] of CHAPTERS) await shoot(name, `chapter=${chapter}`, 1440, height);
await browser.close();
rmSync(scratch, { recursive: true });

/** The page in both themes. */
async function shoot(name, hash, width, height) {
  for (const theme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width, height }, offline: true });
    const page = await context.newPage();
    await page.goto(`file://${file}#${hash}&theme=${theme}`);
    await page.waitForFunction(() => performance.getEntriesByName("headscope:first-picture").length > 0);
    await page.waitForTimeout(500); // fonts, and the last of what is drawn when there is time
    await page.screenshot({ path: join(folder, `${name}-${theme}.png`) });
    await context.close();
  }
}

/** A folder that holds the tiny encoder-decoder of the fixtures, and a tokenizer for it. */
function twoStacks() {
  const model = join(scratch, "tiny-t5");
  mkdirSync(model);
  for (const file of ["config.json", "model.safetensors"]) copyFileSync(join(root, "fixtures/t5", file), join(model, file));
  const words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat a dog played in park";
  writeFileSync(join(model, "vocab.txt"), words.replaceAll(" ", "\n"));
  writeFileSync(join(model, "tokenizer_config.json"), '{"tokenizer_class": "BertTokenizer"}');
  return scratch;
}
