import { describe, expect, test } from "vitest";
import { Safetensors, toFloats } from "../../src/model/safetensors";
import { readTrace, spanText } from "../../src/model/trace";
import { safetensors } from "./tensors";

describe("safetensors", () => {
  const bytes = safetensors(
    { format: "headscope-trace/1" },
    {
      odd: { dtype: "U8", shape: [3], values: [1, 2, 255] },
      floats: { dtype: "F32", shape: [2, 2], values: [0.5, -1, 3, 1e-7] },
    },
  );

  test("reads metadata, shapes and values", () => {
    const file = Safetensors.read(bytes);
    expect(file.metadata.format).toBe("headscope-trace/1");
    expect(file.shape("floats")).toEqual([2, 2]);
    expect([...file.u8("odd")]).toEqual([1, 2, 255]);
    expect([...file.f32("floats")]).toEqual([...Float32Array.of(0.5, -1, 3, 1e-7)]);
  });

  test("reads from the middle of a buffer", () => {
    const padded = new Uint8Array(bytes.length + 5);
    padded.set(bytes, 5);
    expect([...Safetensors.read(padded.subarray(5)).f32("floats")][2]).toBe(3);
  });

  test.each([
    ["cut short", bytes.subarray(0, bytes.length - 1), /floats/],
    ["without a header", bytes.subarray(0, 4), /4 bytes/],
    ["with a lying header length", bytes.subarray(0, 20), /header is longer/],
  ])("refuses a file %s", (_, file, message) => {
    expect(() => Safetensors.read(file)).toThrow(message);
  });

  test("refuses a shape that does not fit its bytes", () => {
    const lying = safetensors({}, { x: { dtype: "F32", shape: [5], values: [1] } });
    expect(() => Safetensors.read(lying)).toThrow(/x is F32 \[5\]/);
  });

  test("names a tensor that is missing or of another type", () => {
    const file = Safetensors.read(bytes);
    expect(() => file.f32("none")).toThrow(/no tensor named none/);
    expect(() => file.f32("odd")).toThrow(/odd is U8, expected F32/);
  });

  test("floats need not be aligned", () => {
    const shifted = new Uint8Array(9);
    shifted.set(new Uint8Array(Float32Array.of(2, 4).buffer), 1);
    expect([...toFloats(shifted.subarray(1))]).toEqual([2, 4]);
  });
});

describe("a trace", () => {
  const text = "naïve 東京\n😀 end";
  const token = (span: [number, number] | null) => ({
    id: 1,
    piece: "x",
    span,
    segment: 0,
    special: !span,
    mask: true,
  });
  const file = Safetensors.read(
    safetensors(
      {
        card: JSON.stringify({ id: "tiny" }),
        encoding: JSON.stringify({
          text,
          parts: [
            [0, 13],
            [14, 22],
          ],
          tokens: [
            token(null),
            token([0, 6]),
            token([7, 10]),
            token([10, 13]),
            token([14, 18]),
            token([19, 22]),
          ],
        }),
        rules: JSON.stringify([{ site: "blocks.0.attn" }, { site: "blocks.1.attn", scale: 2 }]),
        blocks: JSON.stringify(["blocks.1.attn"]),
        metrics: "[]",
        traced_ms: "7.1",
      },
      {
        atlas: { dtype: "U8", shape: [1, 2, 1, 1], values: [0, 255] },
        metrics: { dtype: "F32", shape: [0, 1, 2], values: [] },
      },
    ),
  );
  const trace = readTrace(file);

  test("has its parts as texts", () => expect(trace.texts).toEqual(["naïve 東京", "😀 end"]));

  test("has the rules of the layers it shows", () =>
    expect(trace.rules).toEqual([{ site: "blocks.1.attn", scale: 2 }]));

  test("converts byte spans to text", () => {
    const texts = trace.source.tokens.map((each) => spanText(trace.source, each));
    expect(texts).toEqual([null, "naïve", "東", "京", "😀", "end"]);
  });
});
