import { expect, test } from "vitest";
import { plain, runsOf } from "../../src/model/piece";

test.each([
  ["cat", [{ text: "cat", as: "text" }]],
  [
    "##ing",
    [
      { text: "##", as: "join" },
      { text: "ing", as: "text" },
    ],
  ],
  ["##", [{ text: "##", as: "text" }]],
  [
    "Ġthe",
    [
      { text: "␣", as: "sign" },
      { text: "the", as: "text" },
    ],
  ],
  ["▁", [{ text: "␣", as: "sign" }]],
  [
    "a\nb",
    [
      { text: "a", as: "text" },
      { text: "⏎", as: "sign" },
      { text: "b", as: "text" },
    ],
  ],
  [
    "\u202eevil",
    [
      { text: "RLO", as: "sign" },
      { text: "evil", as: "text" },
    ],
  ],
  ["\u0000", [{ text: "␀", as: "sign" }]],
  ["שלום", [{ text: "שלום", as: "text" }]],
  ["👩\u200d🚀", [{ text: "👩\u200d🚀", as: "text" }]],
  ["\u200d", [{ text: "ZWJ", as: "sign" }]],
  ["</script>", [{ text: "</script>", as: "text" }]],
])("%j", (piece, runs) => expect(runsOf(piece)).toEqual(runs));

test("a very long piece is cut", () => {
  expect(plain("x".repeat(1_000_000))).toHaveLength(65);
});
