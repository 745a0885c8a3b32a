import { defineConfig } from "vitest/config";

// One ES module with its styles inside: the binary and the exported page carry this file as it is.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    lib: { entry: "src/index.tsx", formats: ["es"], fileName: () => "headscope.js" },
    outDir: "../crates/headscope-view/dist",
    emptyOutDir: true,
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
          fileParallelism: false,
        },
      },
    ],
  },
});
