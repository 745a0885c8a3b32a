/** A text that was run for the lesson, and the numbers that its figures show: all computed from what was recorded. */

import { patternOf } from "../model/attention";
import { LocalHost, type Request } from "../model/host";
import { type Neuron, neuronOf } from "../model/neuron";
import { Safetensors } from "../model/safetensors";
import { type HeadId, type Mask, partAt, readTrace, sharedHead, type Token, type Trace } from "../model/trace";
import { type Vectors, vectorsOf } from "../model/vectors";

/** What the chapters are told on. */
export interface Scenes {
  /** Both sentences, with queries, keys and values. */
  pair: Scene;
  /** Sentence A, filled up to the length of the pair. */
  padded: Scene;
  /** Two sentences with one word in two meanings, with what enters each layer. */
  first: Scene;
  second: Scene;
  /** Sentence A through a decoder, where one was at hand. */
  decoder?: Scene;
}

/** A change of what may be seen: another mask, or by token whether it may be looked at. */
export interface Change {
  mask?: Mask;
  visible?: boolean[];
}

export class Scene {
  readonly trace: Trace;
  private readonly file: Safetensors;
  private readonly patterns = new Map<string, Float32Array>();

  constructor(readonly bytes: Uint8Array) {
    this.file = Safetensors.read(bytes);
    this.trace = readTrace(this.file);
  }

  get tokens(): Token[] {
    return this.trace.source.tokens;
  }

  /** The weights of a head, [queries, keys]. */
  pattern(id: HeadId): Float32Array {
    const key = `${id.layer}.${id.head}`;
    let pattern = this.patterns.get(key);
    if (!pattern) this.patterns.set(key, (pattern = patternOf(this.file, this.trace, id)));
    return pattern;
  }

  /** What they would be under another mask. */
  changed(id: HeadId, change: Change): Float32Array {
    return patternOf(this.file, changed(this.trace, change), id);
  }

  vectors(id: HeadId): Vectors {
    return vectorsOf(this.file, this.trace, id);
  }

  /** A head with its queries and keys, from which every step to a weight follows. */
  neuron({ layer, head }: HeadId): Neuron {
    const { q, k } = this.vectors({ layer, head });
    return neuronOf(this.trace.rules[layer], head, partAt(this.trace, layer), { q: q!, k: k! });
  }

  /** [tokens, d_head] */
  values({ layer, head }: HeadId): Float32Array {
    const site = `${this.trace.blocks[layer]}.v`;
    return this.file.head(site, sharedHead(this.trace.rules[layer], head, this.file.headsShape(site)[0]));
  }

  /** Whether words and positions can be shown apart. */
  get hasPositions(): boolean {
    return this.file.has("word_embed") && this.file.has("pos_embed");
  }

  /** One token's row of a table: its word or its position. */
  looked(table: "word_embed" | "pos_embed", token: number): Float32Array {
    return row(this.file, table, token);
  }

  /** What enters each layer of one token, and last what the model makes of it. */
  path(token: number): Float32Array[] {
    const entering = this.trace.blocks.map((site) => site.replace(/attn$/, "resid_pre"));
    return [...entering, "last_hidden"].map((site) => row(this.file, site, token));
  }
}

function row(file: Safetensors, name: string, index: number): Float32Array {
  const width = file.shape(name)[1];
  return file.f32(name).subarray(index * width, (index + 1) * width);
}

function changed(trace: Trace, { mask, visible }: Change): Trace {
  const rules = mask ? trace.rules.map((rule) => ({ ...rule, mask })) : trace.rules;
  const masked = (tokens: Token[]) => tokens.map((token, i) => ({ ...token, mask: visible![i] }));
  const parts = visible ? trace.parts.map((part) => ({ ...part, keys: masked(part.keys) })) : trace.parts;
  return { ...trace, rules, parts };
}

/** Lets a view of the workbench show a scene. */
export class SceneHost extends LocalHost {
  constructor(
    private scene: Scene,
    private change: Change = {},
    values: Record<string, unknown> = {},
  ) {
    super(values);
    this.set("overview", scene.bytes);
  }

  show(scene: Scene, change: Change = {}): void {
    if (scene === this.scene && change === this.change) return;
    [this.scene, this.change] = [scene, change];
    this.set("overview", scene.bytes);
  }

  send(content: Request): void {
    if (content.kind === "run" || content.kind === "exact") return;
    const { scene } = this;
    if (content.kind === "vectors") return this.replyVectors(content, scene.vectors(content));
    const weights = scene.changed(content, this.change);
    this.reply(content, new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength));
  }
}

/** Scenes of their containers. */
export function readScenes(containers: Record<string, Uint8Array>): Scenes {
  const scene = (name: keyof Scenes) => {
    if (!(name in containers)) throw new Error(`the lesson’s data: no scene named ${name}`);
    return new Scene(containers[name]);
  };
  const scenes = { pair: scene("pair"), padded: scene("padded"), first: scene("first"), second: scene("second") };
  return "decoder" in containers ? { ...scenes, decoder: scene("decoder") } : scenes;
}
