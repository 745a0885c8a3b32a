import { defineConfig } from "vitest/config";

/** What is built: each one ES module with its styles inside, which the binary and the exported pages carry as they are. */
const ENTRIES: Record<string, string> = { headscope: "src/index.tsx", lesson: "src/learn/index.tsx" };

// `vite build` makes the component, `vite build --mode lesson` the lesson.
export default defineConfig(({ mode }) => ({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  assetsInclude: ["**/*.wasm"],
  build: {
    lib: {
      entry: ENTRIES[mode] ?? ENTRIES.headscope,
      formats: ["es"],
      fileName: () => (mode in ENTRIES ? `${mode}.js` : "headscope.js"),
    },
    outDir: "../crates/headscope-view/dist",
    emptyOutDir: false, // the other stays
    target: "es2022",
    minify: true,
    // A library keeps its white space unless told otherwise; this one is only ever shipped.
    rolldownOptions: { output: { minify: true } },
    reportCompressedSize: true,
  },
  test: {
    projects: [
      { extends: true, test: { name: "unit", include: ["tests/unit/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["tests/browser/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 15_000 } }, // instead of a second, which a busy machine needs itself
          fileParallelism: false,
        },
      },
    ],
  },
}));
