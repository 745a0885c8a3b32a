/** Reads the safetensors format: a length, a JSON header, then the tensors' bytes. */

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const BYTES: Record<string, number> = { F32: 4, U8: 1 };

export class Safetensors {
  private constructor(
    readonly metadata: Record<string, string>,
    private readonly entries: Map<string, Entry>,
    private readonly body: Uint8Array,
  ) {}

  /** The tensors in `bytes`; throws when the header and the bytes disagree. */
  static read(bytes: Uint8Array): Safetensors {
    if (bytes.length < 8) throw new Error(`view data: ${bytes.length} bytes are no safetensors file`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = 8 + Number(view.getBigUint64(0, true));
    if (start > bytes.length) throw new Error("view data: the header is longer than the file");
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    const { __metadata__: metadata = {}, ...tensors } = header;
    const body = bytes.subarray(start);
    const entries = new Map<string, Entry>(Object.entries(tensors));
    for (const [name, entry] of entries) checkEntry(name, entry, body.length);
    return new Safetensors(metadata, entries, body);
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  shape(name: string): number[] {
    return this.entry(name).shape;
  }

  u8(name: string): Uint8Array {
    const [start, end] = this.entry(name, "U8").data_offsets;
    return this.body.subarray(start, end);
  }

  f32(name: string): Float32Array {
    const [start, end] = this.entry(name, "F32").data_offsets;
    return toFloats(this.body.subarray(start, end));
  }

  private entry(name: string, dtype?: string): Entry {
    const entry = this.entries.get(name);
    if (!entry) throw new Error(`view data: no tensor named ${name}`);
    if (dtype && entry.dtype !== dtype) {
      throw new Error(`view data: ${name} is ${entry.dtype}, expected ${dtype}`);
    }
    return entry;
  }
}

/** Little-endian floats, without a copy where their place in memory allows it. */
export function toFloats(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

function checkEntry(name: string, { dtype, shape, data_offsets: [start, end] }: Entry, length: number) {
  const size = shape.reduce((product, axis) => product * axis, BYTES[dtype] ?? Number.NaN);
  const fits = 0 <= start && start <= end && end <= length;
  if (!fits || (dtype in BYTES && size !== end - start)) {
    throw new Error(
      `view data: ${name} is ${dtype} [${shape}], but has bytes ${start} to ${end} of ${length}`,
    );
  }
}
