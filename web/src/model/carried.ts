/** What a page carries of its blocks. Those that are seen are unpacked, so that a long text's page opens at once. */

import { patternOf } from "./attention";
import type { Request } from "./host";
import type { Recompute } from "./kernel";
import { Safetensors } from "./safetensors";
import type { Trace } from "./trace";
import { type Packed, unpack } from "./unpack";
import { type Vectors, vectorsOf } from "./vectors";

/** What must be known of a trace to compute patterns. */
export type Rules = Pick<Trace, "blocks" | "rules" | "parts">;

export type OfHead = Extract<Request, { kind: "pattern" | "vectors" }>;
export type Answer = { pattern: Float32Array } | { vectors: Vectors };

/** Blocks kept unpacked: the one on screen, those above and below it, and the last one. */
const KEPT = 4;

export class Carried {
  private readonly blocks = new Map<number, Promise<Safetensors>>();

  constructor(
    private readonly rules: Rules,
    /** The packed block of a layer. */
    private readonly packed: (layer: number) => Promise<Packed>,
    /** What computes weights, if not the plain loop. */
    private readonly compute?: Promise<Recompute>,
  ) {}

  async answer(content: OfHead): Promise<Answer> {
    const file = await this.block(content.layer);
    if (content.kind === "vectors") return { vectors: vectorsOf(file, this.rules, content) };
    return { pattern: patternOf(file, this.rules, content, await this.compute) };
  }

  private block(layer: number): Promise<Safetensors> {
    const block = this.blocks.get(layer) ?? this.read(layer);
    this.blocks.delete(layer);
    this.blocks.set(layer, block); // the last to be thrown away
    const [oldest] = this.blocks.keys();
    if (this.blocks.size > KEPT) this.blocks.delete(oldest);
    return block;
  }

  private async read(layer: number): Promise<Safetensors> {
    return Safetensors.read(await unpack(await this.packed(layer)));
  }
}
