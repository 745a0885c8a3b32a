/** A page with the component over a text of any length: no model runs so long a one in a test. */

import { createServer, type Server } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { rule, safetensors, words } from "../unit/tensors";

const BUNDLE = join(import.meta.dirname, "../../../crates/headscope-view/dist/headscope.js");

const PAGE = `<!doctype html><meta charset="utf-8"><style>html,body,main{margin:0;height:100%;--height:100vh}</style>
<main></main><script type="module">
import widget from "./headscope.js";
const bytes = await (await fetch("./overview")).arrayBuffer();
const n = Number(location.search.slice(1));
const listeners = {};
// A band along the diagonal, a first token that all look at, and noise.
const pattern = new Float32Array(n * n);
for (let query = 0; query < n; query++) {
  let sum = 0;
  for (let key = 0; key <= query; key++) {
    const far = query - key;
    const weight = (key === 0 ? 2 : 0) + (far < 8 ? 1 / (1 + far) : 0) + (((query * 7919 + key * 104729) % 1013) / 1013) * 0.001;
    sum += pattern[query * n + key] = weight;
  }
  for (let key = 0; key <= query; key++) pattern[query * n + key] /= sum;
}
globalThis.pattern = pattern;
const values = { overview: new DataView(bytes), editable: false, focus: { view: n > 4000 ? "matrix" : "head", layer: 0, head: 0 } };
widget.render({
  el: document.querySelector("main"),
  model: {
    get: (key) => values[key],
    set() {},
    save_changes() {},
    on: (event, callback) => (listeners[event] = callback),
    send: (content) => setTimeout(() => listeners["msg:custom"]({ ...content, kind: "pattern" }, [pattern.buffer])),
  },
});
</script>`;

/** The overview of a causal model, of one head if nothing else is asked, that read `n` tokens. */
function overview(n: number, layers: number, heads: number): Uint8Array {
  const blocks = Array.from({ length: layers }, (_, layer) => `blocks.${layer}.attn`);
  const side = layers * heads > 1 ? 12 : 1;
  // Each head is a diagonal of its own width; what it "measures" is a number of its own too.
  const atlas = Uint8Array.from({ length: layers * heads * side * side }, (_, i) => {
    const [cell, of] = [i % (side * side), Math.floor(i / (side * side))];
    const far = Math.floor(cell / side) - (cell % side);
    return far < 0 ? 0 : far <= of % 7 ? 255 - 30 * far : 12;
  });
  const tokens = words(Array.from({ length: n }, (_, i) => ["the", "cat", "remembered", "a", "river"][i % 5]).join(" "));
  const metadata = {
    card: { id: "synthetic", family: "none", dtype: "f32", revision: null, kernel: "none", row_sum_error: 0 },
    encoding: { text: "", parts: [[0, 0]], tokens },
    blocks,
    rules: blocks.map((site) => ({ ...rule(site, heads), mask: "causal" })),
    metrics: [{ key: "previous", label: "previous token", about: "weight on the token before", unit: "" }],
  };
  return safetensors(
    Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)])),
    {
      metrics: {
        dtype: "F32",
        shape: [1, layers, heads],
        values: Float32Array.from({ length: layers * heads }, (_, i) => ((i * 7919) % 5120) / 5120),
      },
      atlas: { dtype: "U8", shape: [layers, heads, side, side], values: atlas },
    },
  );
}

/** Serves pages of `n` tokens at `/?n`. */
export async function serveSynthetic(n: number, layers = 1, heads = 1): Promise<{ url: string; server: Server }> {
  const bundle = readFileSync(BUNDLE, "utf8");
  const bytes = overview(n, layers, heads);
  const server = createServer((request, response) => {
    const script = request.url === "/headscope.js";
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    response.end(script ? bundle : request.url === "/overview" ? Buffer.from(bytes) : PAGE);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/?${n}`, server };
}
