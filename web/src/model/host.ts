/**
 * What stands behind the component: a server, a page that carries its data, or a notebook's
 * kernel. The contract is anywidget's, so that a notebook can pass its own model.
 */

import type { VectorName, Vectors } from "./vectors";

export interface Host {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...args: any[]) => void): void;
  off?(event: string, callback: (...args: any[]) => void): void;
  send(content: Request): void;
}

export type Request =
  | { kind: "vectors"; layer: number; head: number; request: number }
  | { kind: "pattern"; layer: number; head: number; request: number }
  /** All digits of a query's weights and of those on a key, where the pattern came rounded. */
  | { kind: "exact"; layer: number; head: number; query: number | null; key: number | null; request: number }
  | { kind: "run"; texts: string[]; request: number };

export type Reply =
  /** With a buffer for each name. */
  | { kind: "vectors"; layer: number; head: number; request: number; names: VectorName[] }
  /** `within`: how far rounded weights may be off, as text; such a host answers `exact` too. */
  | { kind: "pattern"; layer: number; head: number; request: number; within?: string | null }
  /** With the query's weights, then those on the key, in one buffer. */
  | { kind: "exact"; layer: number; head: number; query: number | null; key: number | null; request: number }
  | { kind: "ran"; request: number }
  | ({ kind: "error"; request: number } & Problem);

/** What went wrong, and how to go on. */
export interface Problem {
  message: string;
  help: string;
  /** The host has let go of the trace: the text must be run again. */
  gone?: boolean;
}

/** A host that lives in this page: values, and those who listen to their changes. */
export abstract class LocalHost implements Host {
  private readonly values = new Map<string, unknown>();
  private readonly listeners = new Map<string, Set<(...args: any[]) => void>>();

  constructor(values: Record<string, unknown>) {
    for (const [key, value] of Object.entries(values)) this.values.set(key, value);
  }

  abstract send(content: Request): void;

  get(key: string): unknown {
    return this.values.get(key);
  }

  set(key: string, value: unknown): void {
    this.values.set(key, value);
    this.emit(`change:${key}`);
  }

  save_changes(): void {}

  on(event: string, callback: (...args: any[]) => void): void {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)!.add(callback);
  }

  off(event: string, callback: (...args: any[]) => void): void {
    this.listeners.get(event)?.delete(callback);
  }

  protected replyVectors({ layer, head, request }: Extract<Request, { kind: "vectors" }>, vectors: Vectors) {
    const names = Object.keys(vectors) as VectorName[];
    const buffers = Object.values(vectors).map((of) => new Uint8Array(of.buffer, of.byteOffset, of.byteLength));
    this.reply({ kind: "vectors", layer, head, request, names }, ...buffers);
  }

  protected reply(content: Reply, ...buffers: Uint8Array[]): void {
    this.emit("msg:custom", content, buffers);
  }

  private emit(event: string, ...args: unknown[]): void {
    for (const callback of this.listeners.get(event) ?? []) callback(...args);
  }
}

/** The bytes of whatever a host hands over. */
export function toBytes(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value.length ? value : null;
  if (value instanceof ArrayBuffer) return value.byteLength ? new Uint8Array(value) : null;
  if (ArrayBuffer.isView(value)) {
    return value.byteLength ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : null;
  }
  return null;
}

/** An error as something that can be shown. */
export function toProblem(error: unknown, help: string): Problem {
  return { message: error instanceof Error ? error.message : String(error), help };
}
