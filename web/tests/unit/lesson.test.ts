/** The lesson's link, its bundle of scenes, and what its chapters choose. */

import { describe, expect, test } from "vitest";
import { headOf, queryOf, sharedWords } from "../../src/learn/choice";
import { cosine, distance } from "../../src/learn/cosine";
import { fromLink, isWorkbench, START, toLink } from "../../src/learn/place";
import { readScenes, Scene } from "../../src/learn/scene";
import { unbundle } from "../../src/learn/sources";
import { pair, safetensors, words } from "./tensors";

const USUAL = { pair: ["a", "b"], senses: ["c", "d"] } as { pair: [string, string]; senses: [string, string] };

describe("the link", () => {
  test("says where the reader is and what they typed", () => {
    const place = { chapter: 5, head: { layer: 2, head: 7 }, query: 0, theme: "dark" } as const;
    const texts = { pair: ["x & y", "#=?"], senses: ["猫", ""] } as typeof USUAL;
    expect(fromLink(toLink(place, texts), 9, USUAL)).toEqual({ place, texts });
    expect(fromLink(toLink(place, null), 9, USUAL)).toEqual({ place, texts: USUAL });
  });

  test.each([
    ["", START],
    ["#chapter=99", { ...START, chapter: 9 }],
    ["#chapter=0", { ...START, chapter: 1 }],
    ["#chapter=x&head=1.2.3&query=-1&theme=red", START],
    ["#head=1", START],
  ])("what it says wrongly is as usual: %s", (hash, place) => {
    expect(fromLink(hash, 9, USUAL).place).toEqual(place);
  });

  test("of the workbench is another", () => {
    expect([isWorkbench("#head=1.2"), isWorkbench("#chapter=2&head=1.2"), isWorkbench("")]).toEqual([true, false, false]);
  });
});

/** One layer of two heads over "[CLS] a cat [SEP] … [SEP]"; the second head looks at words. */
function scene(tokens = pair("a cat", "the dogs sat"), metrics = [0.9, 0.1, 0, 0, 0.2, 1.1]): Uint8Array {
  const n = tokens.length;
  const rule = { site: "blocks.0.attn", scale: 1, mask: "full", soft_cap: null, sink: null, query_heads: 2, key_heads: 2 };
  const q = Array.from({ length: 2 * n * 2 }, (_, i) => Math.sin(i));
  return safetensors(
    {
      card: JSON.stringify({ id: "tiny", family: "bert" }),
      encoding: JSON.stringify({ text: "", parts: [], tokens }),
      rules: JSON.stringify([rule]),
      blocks: JSON.stringify(["blocks.0.attn"]),
      metrics: JSON.stringify(["first", "separators", "entropy"].map((key) => ({ key, label: key, about: "", unit: "" }))),
    },
    {
      "blocks.0.attn.q": { dtype: "F32", shape: [2, n, 2], values: q },
      "blocks.0.attn.k": { dtype: "F32", shape: [2, n, 2], values: q.toReversed() },
      metrics: { dtype: "F32", shape: [3, 1, 2], values: metrics },
      atlas: { dtype: "U8", shape: [1, 2, 1, 1], values: [0, 0] },
    },
  );
}

/** As the command writes it. */
function bundle(scenes: Record<string, Uint8Array>): Uint8Array {
  let at = 0;
  const places = Object.fromEntries(Object.entries(scenes).map(([name, { length }]) => [name, [at, (at += length)]]));
  const json = new TextEncoder().encode(JSON.stringify(places));
  const out = new Uint8Array(8 + json.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  for (const [name, bytes] of Object.entries(scenes)) out.set(bytes, 8 + json.length + places[name][0]);
  return out;
}

describe("scenes", () => {
  const all = Object.fromEntries(["pair", "padded", "first", "second"].map((name) => [name, scene()]));

  test("are found by name", () => {
    const scenes = readScenes(unbundle(bundle(all)));
    expect(scenes.pair.tokens[2].piece).toBe("cat");
    expect(scenes.decoder).toBeUndefined();
    expect(readScenes(unbundle(bundle({ ...all, decoder: scene() }))).decoder).toBeDefined();
  });

  test("one that is missing is named", () => {
    const { first, ...others } = all;
    expect(first).toBeDefined();
    expect(() => readScenes(unbundle(bundle(others)))).toThrow("no scene named first");
  });

  test("a mask that is changed takes weight away, and gives it to the others", () => {
    const { pattern, changed } = { pattern: new Scene(scene()).pattern({ layer: 0, head: 1 }), changed: new Scene(scene()) };
    const n = changed.tokens.length;
    const visible = changed.tokens.map((_, i) => i !== 0);
    const without = changed.changed({ layer: 0, head: 1 }, { visible });
    const causal = changed.changed({ layer: 0, head: 1 }, { mask: "causal" });
    for (let query = 0; query < n; query++) {
      const rest = 1 - pattern[query * n];
      expect(without[query * n]).toBe(0);
      expect(without[query * n + 1]).toBeCloseTo(pattern[query * n + 1] / rest, 6);
      for (let key = query + 1; key < n; key++) expect(causal[query * n + key]).toBe(0);
    }
    expect(causal[0]).toBe(1);
  });
});

describe("chapters choose", () => {
  const scenes = { pair: new Scene(scene()) } as Parameters<typeof headOf>[1];

  test("a head that looks at words, and the longest word of sentence B", () => {
    expect(headOf(START, scenes)).toEqual({ layer: 0, head: 1 });
    expect(scenes.pair.tokens[queryOf(START, scenes)].piece).toBe("dogs");
  });

  test("what the reader chose, before that", () => {
    expect(headOf({ ...START, head: { layer: 0, head: 0 } }, scenes)).toEqual({ layer: 0, head: 0 });
    expect(queryOf({ ...START, query: 1 }, scenes)).toBe(1);
  });

  test("words of two texts, each once, the longest first", () => {
    const [first, second] = ["[CLS] we sat by the bank the [SEP]", "[CLS] the money bank [SEP]"].map(
      (text) => new Scene(scene(words(text))),
    );
    expect(sharedWords(first, second)).toEqual([
      { piece: "bank", places: [5, 3] },
      { piece: "the", places: [4, 1] },
    ]);
  });
});

test("cosine and distance", () => {
  const [a, b, none] = [[3, 4], [4, -3], [0, 0]].map((values) => Float32Array.from(values));
  expect([cosine(a, a), cosine(a, b), cosine(a, none)]).toEqual([1, 0, 0]);
  expect([distance(a, a), distance(a, b)]).toEqual([0, 7]);
});
