import { expect, test } from "vitest";
import { widened } from "../../src/model/app";

/** A reply that comes in parts of these lengths. */
function inParts(bytes: Uint8Array, lengths: number[]): Response {
  let at = 0;
  const parts = lengths.map((length) => bytes.slice(at, (at += length)));
  const body = new ReadableStream({
    start(stream) {
      for (const part of parts) stream.enqueue(part);
      stream.close();
    },
  });
  return new Response(body, { headers: { "content-length": String(bytes.length) } });
}

test.each([[[8]], [[2, 6]], [[1, 7]], [[3, 3, 2]], [[1, 1, 1, 1, 1, 1, 1, 1]], [[0, 5, 0, 3]]])(
  "weights in 16 bits are read in parts of %s bytes",
  async (lengths) => {
    const roots = [0, 1, 32768, 65535];
    const bytes = await widened(inParts(new Uint8Array(Uint16Array.from(roots).buffer), lengths));
    const weights = new Float32Array(bytes.buffer);
    expect([...weights]).toEqual(roots.map((root) => Math.fround((root * (1 / 65535)) ** 2)));
  },
);
