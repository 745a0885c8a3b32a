/** The matrix view's sums, colours and places, against plain loops. */

import { describe, expect, test } from "vitest";
import { BLOCK, blockOf, gridOf, hasMask, Margins, sees, type Summary, weightAt } from "../../src/model/pyramid";
import type { Mask, Token } from "../../src/model/trace";
import {
  cellAt,
  clamped,
  fitted,
  panned,
  plotIn,
  revealing,
  zoomed,
} from "../../src/views/matrix/camera";
import { short } from "../../src/views/matrix/cells";
import { exact } from "../../src/views/matrix/exact";
import { differences } from "../../src/views/matrix/difference";
import { pixelOf, rampOf, rampOfDifferences, STEPS } from "../../src/views/matrix/ramp";
import { labelStep, runsIn } from "../../src/views/matrix/rulers";
import { levelFor } from "../../src/views/matrix/tiles";
import { noise, pair, words } from "./tensors";

const every = (count: number) => Array.from({ length: count }, (_, i) => i);
const texts = (count: number): Token[] => words(every(count).join(" "));

/** Whether a query may see a key, said again. */
function allowed(mask: Mask, query: number, key: number): boolean {
  if (mask === "full") return true;
  if (mask === "causal") return key <= query;
  if ("window" in mask) return Math.abs(query - key) <= mask.window;
  return key <= query && key > query - mask.causal_window;
}

const CASES: [name: string, mask: Mask, queries: number, keys: number][] = [
  ["full", "full", 7, 13],
  ["full, more than a block", "full", 301, 523],
  ["causal", "causal", 261, 261],
  ["window", { window: 3 }, 77, 77],
  ["causal window", { causal_window: 5 }, 77, 77],
];

describe.each(CASES)("%s", (_, mask, queries, keys) => {
  const sides = { queries: texts(queries), keys: texts(keys).map((token, i) => ({ ...token, mask: i % 11 !== 4 })) };
  // Some tokens have no row or column.
  const shown = {
    query: every(queries).filter((i) => i % 7 !== 2),
    key: every(keys).filter((i) => i % 5 !== 0),
  };
  const weights = noise(queries * keys).map((value, i) =>
    allowed(mask, Math.floor(i / keys), i % keys) && sides.keys[i % keys].mask ? Math.abs(value) : 0,
  );
  const grid = gridOf(weights, sides, shown, [mask]);

  test("each cell has its weight, and is seen where the rule lets it", () => {
    shown.query.forEach((query, row) =>
      shown.key.forEach((key, column) => {
        expect(weightAt(grid, row, column)).toBe(weights[query * keys + key]);
        expect(sees(grid, row, column)).toBe(allowed(mask, query, key) && sides.keys[key].mask);
      }),
    );
    expect(hasMask(grid)).toBe(true); // there is padding
  });

  test.each([
    [0, "max"],
    [1, "max"],
    [2, "mean"],
    [3, "max"],
    [3, "mean"],
  ] as [number, Summary][])("level %i, %s", (level, summary) => {
    const side = 2 ** level;
    const [rows, columns] = [shown.query.length, shown.key.length];
    for (let y = 0; y * side * BLOCK < rows; y++) {
      for (let x = 0; x * side * BLOCK < columns; x++) {
        const block = blockOf(grid, level, y, x, summary);
        for (const [i, j] of [[0, 0], [1, 2], [BLOCK - 1, 0], [0, BLOCK - 1], [17, 16], [5, 9]]) {
          const seen: number[] = [];
          const [top, left] = [(y * BLOCK + i) * side, (x * BLOCK + j) * side];
          for (let row = top; row < Math.min(rows, top + side); row++) {
            for (let column = left; column < Math.min(columns, left + side); column++) {
              const [query, key] = [shown.query[row], shown.key[column]];
              if (allowed(mask, query, key) && sides.keys[key].mask) seen.push(weights[query * keys + key]);
            }
          }
          const wanted = seen.length === 0 ? Number.NaN : summary === "max"
            ? Math.max(...seen)
            : seen.reduce((sum, weight) => sum + weight, 0) / seen.length;
          if (Number.isNaN(wanted)) expect(block[i * BLOCK + j]).toBeNaN();
          else expect(block[i * BLOCK + j]).toBeCloseTo(wanted, 6);
        }
      }
    }
  });

  test("margins are the same in one go and row by row", () => {
    const [once, slow] = [new Margins(grid), new Margins(grid)];
    once.advance(() => false);
    for (let goes = 0; !slow.done; goes++) {
      expect(goes).toBeLessThanOrEqual(shown.query.length);
      let rows = 0;
      slow.advance(() => rows++ > 0);
    }
    shown.key.forEach((key, column) => {
      const sum = shown.query.reduce((total, query) => total + weights[query * keys + key], 0);
      expect(once.ofColumns[column]).toBeCloseTo(sum / shown.query.length, 6);
    });
    shown.query.forEach((query, row) => {
      const own = shown.key.map((key) => weights[query * keys + key]).filter((weight) => weight > 0);
      expect(once.ofRows[row]).toBeCloseTo(-own.reduce((sum, w) => sum + w * Math.log(w), 0), 6);
    });
    expect(slow.ofRows).toEqual(once.ofRows);
    expect(slow.ofColumns).toEqual(once.ofColumns);
    expect(once.mostOfRows).toBe(Math.max(...once.ofRows));
    expect(once.mostOfColumns).toBe(Math.max(...once.ofColumns));
  });
});

test("a difference keeps its sign, shows what either mask leaves, and tells how far apart rows are", () => {
  const n = 300;
  const sides = { queries: texts(n), keys: texts(n) };
  const shown = { query: every(n), key: every(n) };
  const [one, other] = [noise(n * n).map(Math.abs), noise(n * n + 1).map(Math.abs).subarray(1)];
  const apart = differences(one, other);
  const grid = gridOf(apart, sides, shown, ["causal", { window: 2 }], true);
  expect([sees(grid, 5, 0), sees(grid, 5, 7), sees(grid, 5, 8)]).toEqual([true, true, false]);
  const block = blockOf(grid, 1, 0, 0, "max");
  const four = [0, 1, n, n + 1].map((i) => apart[20 * n + 10 + i]);
  const farthest = four.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most));
  expect(block[10 * BLOCK + 5]).toBe(farthest);
  expect(Math.min(...block.filter((value) => !Number.isNaN(value)))).toBeLessThan(0);
  const margins = new Margins(grid);
  margins.advance(() => false);
  const row = Array.from({ length: 8 }, (_, key) => Math.abs(apart[5 * n + key]));
  expect(margins.ofRows[5]).toBeCloseTo(row.reduce((sum, value) => sum + value) / 2, 6);
  const column = every(n).filter((query) => query >= n - 3).map((query) => Math.abs(apart[query * n + n - 1]));
  expect(margins.ofColumns[n - 1]).toBeCloseTo(column.reduce((sum, value) => sum + value) / n, 6);
});

test("colours of differences: 0 in the middle, more in one accent, less in the other", () => {
  for (const dark of [false, true]) {
    const ramp = rampOfDifferences(dark);
    expect(ramp).toHaveLength(2 * STEPS - 1);
    expect(pixelOf(ramp, 0, true)).toBe(ramp[STEPS - 1]);
    expect([pixelOf(ramp, 1, true), pixelOf(ramp, 1, false)]).toEqual([ramp[0], ramp[2 * STEPS - 2]]);
    expect(pixelOf(ramp, 0.5, false)).toBe(pixelOf(rampOf(dark), 0.5, false));
    const [red, , blue] = [0, 8, 16].map((by) => (pixelOf(ramp, 0.5, true) >> by) & 255);
    expect(red).toBeGreaterThan(blue + 60);
  }
});

test("without a mask nothing is masked", () => {
  const sides = { queries: texts(3), keys: texts(5) };
  const shown = { query: every(3), key: every(5) };
  expect(hasMask(gridOf(new Float32Array(15), sides, shown, ["full"]))).toBe(false);
  expect(hasMask(gridOf(new Float32Array(15), sides, shown, [{ window: 1 }]))).toBe(true);
});

describe("the camera", () => {
  const room = { left: 100, top: 80, width: 560, height: 500 };

  test.each([[15, 15], [5, 8], [487, 487], [2048, 2048], [3, 2048], [1, 1]])("%i x %i fits in square cells", (rows, columns) => {
    const extent = { rows, columns };
    const plot = plotIn(extent, room);
    const { cell, row, column } = fitted(extent, plot);
    expect([row, column]).toEqual([0, 0]);
    expect(cell).toBeLessThanOrEqual(44);
    expect(cell * columns).toBeLessThanOrEqual(plot.width + 1e-9);
    expect(cell * rows).toBeLessThanOrEqual(plot.height + 1e-9);
    expect(plot.left).toBeGreaterThanOrEqual(room.left);
    expect(plot.left + plot.width).toBeLessThanOrEqual(room.left + room.width + 1e-9);
    expect(plot.height).toBeLessThanOrEqual(room.height + 1e-9);
    expect(cell === 44 || cell * columns > plot.width - 1e-6 || cell * rows > plot.height - 1e-6).toBe(true);
  });

  const extent = { rows: 487, columns: 487 };
  const plot = plotIn(extent, room);
  const start = fitted(extent, plot);

  test("zooming keeps what is under the pointer, in and out", () => {
    for (const point of [{ x: plot.left + 9, y: 90 }, { x: 371, y: 333 }, { x: plot.left + plot.width - 3, y: plot.top + 471 }]) {
      const at = (camera: typeof start) => [
        camera.row + (point.y - plot.top) / camera.cell,
        camera.column + (point.x - plot.left) / camera.cell,
      ];
      let camera = start;
      for (let i = 0; i < 12; i++) {
        camera = zoomed(camera, 1.4, point, extent, plot);
        expect(at(camera)[0]).toBeCloseTo(at(start)[0], 6);
        expect(at(camera)[1]).toBeCloseTo(at(start)[1], 6);
      }
      expect(camera.cell).toBeGreaterThan(40);
      for (let i = 0; i < 20; i++) camera = zoomed(camera, 0.6, point, extent, plot);
      expect(camera).toEqual(start);
    }
  });

  test("panning moves by pixels and stops at the sides", () => {
    const near = zoomed(start, 10, { x: 350, y: 300 }, extent, plot);
    const moved = panned(near, -30, 45, extent, plot);
    expect((moved.column - near.column) * near.cell).toBeCloseTo(30, 6);
    expect((near.row - moved.row) * near.cell).toBeCloseTo(45, 6);
    expect(panned(near, 1e6, 1e6, extent, plot)).toMatchObject({ row: 0, column: 0 });
    const end = panned(near, -1e6, -1e6, extent, plot);
    expect(end.row + plot.height / end.cell).toBeCloseTo(487, 6);
    expect(panned(start, 50, 50, extent, plot)).toEqual(start);
  });

  test("cells are found by their place, and nothing beside them", () => {
    const camera = clamped({ row: 100.25, column: 7.5, cell: 20 }, extent, plot);
    for (const [row, column] of [[101, 8], [110, 20], [118, 30]]) {
      const point = { x: plot.left + (column + 0.5 - 7.5) * 20, y: plot.top + (row + 0.5 - 100.25) * 20 };
      expect(cellAt(camera, point, extent, plot)).toEqual({ row, column });
    }
    expect(cellAt(camera, { x: plot.left - 1, y: plot.top + 5 }, extent, plot)).toEqual({ row: 100, column: null });
    expect(cellAt(camera, { x: plot.left + 5, y: plot.top - 1 }, extent, plot)).toEqual({ row: null, column: 7 });
  });

  test("a cell is brought into sight, by as little as it takes", () => {
    const camera = clamped({ row: 100, column: 100, cell: 40 }, extent, plot);
    expect(revealing(camera, 104, 105, extent, plot)).toEqual(camera);
    for (const [row, column] of [[0, 0], [486, 486], [99, 300], [250, 1]]) {
      const now = revealing(camera, row, column, extent, plot);
      expect(now.row).toBeLessThanOrEqual(row);
      expect(now.row + plot.height / now.cell).toBeGreaterThanOrEqual(row + 1);
      expect(now.column).toBeLessThanOrEqual(column);
      expect(now.column + plot.width / now.cell).toBeGreaterThanOrEqual(column + 1);
    }
    expect(revealing(camera, null, 400, extent, plot).row).toBe(camera.row);
  });
});

test("the level is the finest of which a cell fills a pixel", () => {
  for (const pixels of [44, 1, 0.99, 0.5, 0.49, 0.25, 0.13, 0.0625]) {
    const level = levelFor(pixels);
    expect(pixels * 2 ** level).toBeGreaterThanOrEqual(1 - 1e-6);
    if (level > 0) expect(pixels * 2 ** (level - 1)).toBeLessThan(1);
  }
  expect(levelFor(0.01, 3)).toBe(3);
});

test.each([false, true])("the ramp goes one way in lightness, in even steps (dark: %s)", (dark) => {
  const channel = (byte: number) => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  // CIE lightness, another measure than the one that the ramp is made with.
  const lightness = [...rampOf(dark)].map((pixel) => {
    const y =
      0.2126 * channel(pixel & 255) + 0.7152 * channel((pixel >> 8) & 255) + 0.0722 * channel((pixel >> 16) & 255);
    return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
  });
  expect(lightness).toHaveLength(STEPS);
  const way = dark ? 1 : -1;
  const strides = every(15).map((i) => way * (lightness[(i + 1) * 16] - lightness[i * 16]));
  for (const stride of strides) {
    expect(stride).toBeGreaterThan(2.5);
    expect(stride).toBeLessThan(8.5);
  }
  expect(way * (lightness[STEPS - 1] - lightness[0])).toBeGreaterThan(70);
});

test("labels leave each other room", () => {
  for (const cell of [44, 17, 16.9, 8, 3, 1, 0.3, 0.05]) {
    const step = labelStep(cell, 17);
    expect(step * cell).toBeGreaterThanOrEqual(17);
    if (step > 1) expect((step / 2.5) * cell).toBeLessThan(17);
    expect(String(step)).toMatch(/^[125]0*$/);
  }
});

test("sentences are runs of what is shown", () => {
  const tokens = pair("the cat", "a dog");
  expect(runsIn(tokens, [1, 2, 4, 5])).toEqual([
    { segment: 0, start: 0, end: 2 },
    { segment: 1, start: 2, end: 4 },
  ]);
});

test("weights are written with as many digits as there is room for", () => {
  expect([0.9903, 0.999, 1, 0.005].map((weight) => short(weight, 2))).toEqual([".99", "1.0", "1.0", ".01"]);
  expect(short(0.9903, 3)).toBe(".990");
  expect([0, 0.99034, 1, 0.00051, 0.0000312].map(exact)).toEqual(["0.0000", "0.9903", "1.0000", "0.0005", "3.1e-5"]);
});
