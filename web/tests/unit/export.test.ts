import { expect, test } from "vitest";
import { fileName, toCsv, toJson } from "../../src/export/numbers";
import type { Picture } from "../../src/picture";

function picture(): Picture {
  const token = (id: number, piece: string) => ({ id, piece, span: null, segment: 0, special: false, mask: true });
  const tokens = [token(7, 'say "hi"'), token(8, "=SUM(A1)"), token(9, "a,b")];
  const weights = [Float32Array.of(0.5, 0.25, 0.25, 0, 1, 0, 0.1, 0.2, 0.7)];
  return {
    trace: { card: { id: "tiny/model" }, texts: ["x"], blocks: ["blocks.0.attn", "blocks.3.attn"], parts: [{ layers: [0, 1], label: "" }] },
    part: { queries: tokens, keys: tokens },
    heads: [{ layer: 1, head: 2 }],
    focused: 0,
    weights,
    shown: { query: [0, 2], key: [0, 1, 2] },
    shows: (query: number, key: number) => !(query === 2 && key === 0),
  } as unknown as Picture;
}

test("a table has the edges that are drawn, quoted, with every digit", () => {
  expect(toCsv(picture()).split("\r\n")).toEqual([
    "layer,head,query,query_token,key,key_token,weight",
    'blocks.3.attn,2,0,"say ""hi""",0,"say ""hi""",0.5',
    `blocks.3.attn,2,0,"say ""hi""",1,'=SUM(A1),0.25`,
    'blocks.3.attn,2,0,"say ""hi""",2,"a,b",0.25',
    `blocks.3.attn,2,2,"a,b",1,'=SUM(A1),${Math.fround(0.2)}`,
    `blocks.3.attn,2,2,"a,b",2,"a,b",${Math.fround(0.7)}`,
    "",
  ]);
});

test("JSON has the same edges, and what they are of", () => {
  const read = JSON.parse(toJson(picture(), { view: "head" }));
  expect(read.edges).toHaveLength(5);
  expect(read.edges[4].weight).toBe(Math.fround(0.7));
  expect([read.model.id, read.switches.view, read.keys[1].piece]).toEqual(["tiny/model", "head", "=SUM(A1)"]);
});

test("a file's name holds nothing that a file system minds", () => {
  expect(fileName(picture(), "head", "svg")).toBe("tiny-model-layer-3-head-2-head.svg");
});
