import { expect, test } from "vitest";
import { patternOf } from "../../src/model/attention";
import { Safetensors } from "../../src/model/safetensors";
import { safetensors, trace, words } from "./tensors";

test("weights with a byte each are squares", () => {
  const of = trace(words("a b"));
  const values = [0, 0, 0, 0, 255, 0, 51, 102];
  const file = Safetensors.read(
    safetensors({}, { [`${of.blocks[0]}.pattern.roots`]: { dtype: "U8", shape: [2, 2, 2], values } }),
  );
  const expected = [1, 0, 0.04, 0.16];
  patternOf(file, of, { layer: 0, head: 1 }).forEach((weight, i) => expect(weight).toBeCloseTo(expected[i], 7));
});
