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

  /** Whether there is a tensor of this name, as it is or with a byte a number. */
  hasHeads(name: string): boolean {
    return this.has(name) || this.has(`${name}.bytes`);
  }

  /** The shape of a tensor that may have a byte a number: heads, rows, columns. */
  headsShape(name: string): number[] {
    return this.shape(this.has(name) ? name : `${name}.bytes`);
  }

  /**
   * One head's part of a tensor [heads, rows, columns], as it is, or of a long text where numbers have a byte:
   * a step for each row, and for each column what the byte is multiplied with and added to.
   */
  head(name: string, index: number): Float32Array {
    const [, rows, columns] = this.headsShape(name);
    const part = <T extends Float32Array | Uint8Array>(all: T, size: number) =>
      all.subarray(index * size, (index + 1) * size) as T;
    if (this.has(name)) return part(this.f32(name), rows * columns);
    const bytes = part(this.u8(`${name}.bytes`), rows * columns);
    const steps = part(this.f32(`${name}.steps`), rows);
    const dims = part(this.f32(`${name}.dims`), columns);
    const means = part(this.f32(`${name}.means`), columns);
    const values = new Float32Array(rows * columns);
    for (let row = 0, i = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, i++) {
        values[i] = (bytes[i] - 128) * steps[row] * dims[column] + means[column];
      }
    }
    return values;
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
