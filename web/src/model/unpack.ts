/** The parts of a self-contained page: base64 of gzip of numbers that lie plane by plane. */

/** A part without the letters: gzip. */
export type Packed = Uint8Array<ArrayBuffer>;

/** The bytes of a part, which is used up. */
export async function unpack(packed: Packed): Promise<Uint8Array> {
  const stream = new ReadableStream<Packed>({
    start(control) {
      control.enqueue(packed);
      control.close();
    },
  });
  const reader = stream.pipeThrough(new DecompressionStream("gzip")).getReader();
  // The last four bytes tell how long it was.
  const bytes = new Uint8Array(new DataView(packed.buffer).getUint32(packed.length - 4, true));
  for (let at = 0; ; ) {
    const { value, done } = await reader.read();
    if (done) {
      const whole = fromPlanes(bytes);
      for (const { buffer } of [packed, bytes]) release(buffer);
      return whole;
    }
    bytes.set(value, at);
    at += value.length;
  }
}

/** Gives memory back at once, where the browser can: what a worker leaves behind is collected late. */
function release(buffer: ArrayBuffer): void {
  (buffer as { transfer?: (length: number) => ArrayBuffer }).transfer?.(0);
}

/** Browsers from 2025 on do it themselves, some ten times as fast. */
export function fromBase64(text: string): Packed {
  const { fromBase64: native } = Uint8Array as { fromBase64?: (text: string) => Packed };
  if (native) return native.call(Uint8Array, text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** Puts numbers together whose first, second, third and fourth bytes lie apart, from the first length to the second. */
export function fromPlanes(packed: Uint8Array): Uint8Array {
  const lengths = new DataView(packed.buffer, packed.byteOffset);
  const [start, end] = [0, 8].map((at) => Number(lengths.getBigUint64(at, true)));
  const bytes = packed.slice(16);
  const planes = packed.subarray(16 + start, 16 + end);
  const count = planes.length / 4;
  for (let i = 0, at = start; i < count; i++, at += 4) {
    bytes[at] = planes[i];
    bytes[at + 1] = planes[count + i];
    bytes[at + 2] = planes[2 * count + i];
    bytes[at + 3] = planes[3 * count + i];
  }
  return bytes;
}
