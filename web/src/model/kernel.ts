/** The weights of a long text's heads, by the WebAssembly that `crates/headscope-wasm` is built into. */

import { recompute, visibleKeys } from "./attention";

export type Recompute = typeof recompute;

/** What the module has to offer. All but counts, widths, keys and what the rule says are addresses in its memory. */
interface Kernel {
  memory: WebAssembly.Memory;
  /** Where its own data end. */
  __heap_base: WebAssembly.Global<"i32">;
  pack(vectors: number, count: number, width: number, panels: number): void;
  dots(
    queries: number,
    queryPanels: number,
    keys: number,
    keyPanels: number,
    width: number,
    products: number,
  ): void;
  softmax(
    products: number,
    panels: number,
    start: number,
    end: number,
    scale: number,
    cap: number,
    sink: number,
    added: number,
    distance: number,
    weights: number,
  ): void;
}

/** Queries or keys in a panel, which takes four numbers of eight bytes for each dimension. */
const PANEL = 4;
const LANES = PANEL * 8;

/** Queries whose products are made at once: with 2,048 keys they have 256 KB, a part of the second-level cache. */
const ROWS = 16;

const PAGE = 1 << 16;

/** What computes weights; without WebAssembly, its vectors or the leave to use it, the plain loop. */
export async function kernel(module: BufferSource): Promise<Recompute> {
  try {
    const { instance } = await WebAssembly.instantiate(module);
    return recomputeBy(instance.exports as unknown as Kernel);
  } catch {
    return recompute;
  }
}

/** Its memory grows to what the largest head took, and is used again for the next. */
function recomputeBy(kernel: Kernel): Recompute {
  return (q, k, rule, padding, { sink = Number.NEGATIVE_INFINITY, position } = {}) => {
    const n = padding.length;
    const width = k.length / n;
    const queries = q.length / width;
    const panels = Math.ceil(n / PANEL);

    let end = kernel.__heap_base.value;
    const place = (bytes: number) => {
      const at = Math.ceil(end / 16) * 16;
      end = at + bytes;
      return at;
    };
    const vectors = place(4 * Math.max(n, ROWS) * width);
    const keys = place(LANES * panels * width);
    const rows = place(LANES * (ROWS / PANEL) * width);
    const products = place(LANES * panels * ROWS);
    const added = place(LANES * panels);
    const distance = place(position ? 4 * (position.length + PANEL) : 0); // the last panel's, too
    const weights = place(4 * PANEL * panels);
    const missing = end - kernel.memory.buffer.byteLength;
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE));
    const floats = new Float32Array(kernel.memory.buffer);

    floats.set(k, vectors / 4);
    kernel.pack(vectors, n, width, keys);
    const open = new Float64Array(kernel.memory.buffer, added, PANEL * panels).fill(Number.NEGATIVE_INFINITY);
    padding.forEach((isOpen, key) => isOpen && (open[key] = 0));
    if (position) {
      floats.fill(0, distance / 4, distance / 4 + position.length + PANEL);
      floats.set(position, distance / 4);
    }

    const all = new Float32Array(queries * n);
    for (let first = 0; first < queries; first += ROWS) {
      const count = Math.min(ROWS, queries - first);
      const seen = Array.from({ length: count }, (_, row) => visibleKeys(rule.mask, first + row, n));
      const from = Math.floor(Math.min(...seen.map(([start]) => start)) / PANEL);
      const till = Math.ceil(Math.max(...seen.map(([, end]) => end)) / PANEL);
      if (from >= till) continue;
      const [at, size] = [from * PANEL, till - from];

      floats.set(q.subarray(first * width, (first + count) * width), vectors / 4);
      kernel.pack(vectors, count, width, rows);
      kernel.dots(rows, Math.ceil(count / PANEL), keys + LANES * width * from, size, width, products);
      for (const [row, [start, end]] of seen.entries()) {
        if (start >= end) continue;
        const query = first + row;
        kernel.softmax(
          products + LANES * size * row,
          size,
          start - at,
          end - at,
          rule.scale,
          rule.soft_cap ?? 0,
          sink,
          added + LANES * from,
          position ? distance + 4 * (queries - 1 - query + at) : 0,
          weights,
        );
        all.set(floats.subarray(weights / 4 + start - at, weights / 4 + end - at), query * n + start);
      }
    }
    return all;
  };
}
