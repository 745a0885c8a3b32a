/** The host of the local app: asks the server on 127.0.0.1 that served this page. */

import { LocalHost, type Problem, type Reply, type Request, toProblem } from "./host";
import { readVectors } from "./vectors";

const UNREACHABLE =
  "headscope has stopped, or this link has expired. Start it again and open the link that it prints.";

export class AppHost extends LocalHost {
  private run = "";
  private running: AbortController | null = null;

  /** Begins with the texts of the link, if it names any, or else with what the server shows. */
  constructor(values: Record<string, unknown>, wanted: string[] | null) {
    super(values);
    this.begin(wanted);
  }

  send(content: Request): void {
    if (content.kind === "run") this.runTexts(content.texts, content.request);
    else this.fetchOfHead(content);
  }

  private async begin(wanted: string[] | null) {
    try {
      if (wanted) await this.runTexts(wanted, 0);
      if (!this.get("overview")) await this.show(await ask("/api/overview"));
    } catch (error) {
      this.reply({ kind: "error", request: 0, ...problemOf(error) });
    }
  }

  /** A newer text cancels the older one's run, so that answers cannot overtake each other. */
  private async runTexts(texts: string[], request: number) {
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    try {
      const response = await ask("/api/run", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ texts }),
        signal,
      });
      await this.show(response, signal);
      this.reply({ kind: "ran", request });
    } catch (error) {
      if (!signal.aborted) this.reply({ kind: "error", request, ...problemOf(error) });
    }
  }

  private async show(response: Response, signal?: AbortSignal) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (signal?.aborted) return;
    this.run = response.headers.get("x-headscope-run") ?? "";
    this.set("overview", bytes);
  }

  private async fetchOfHead(content: Exclude<Request, { kind: "run" }>) {
    const { kind, layer, head, request } = content;
    const { run } = this;
    try {
      const line = content.kind === "exact" ? lineOf(content) : "";
      const response = await ask(`/api/${kind}?layer=${layer}&head=${head}&run=${run}${line}`);
      const within = response.headers.get("x-headscope-within");
      if (within) return this.reply({ ...content, within } as Reply, await widened(response));
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (content.kind === "vectors") this.replyVectors(content, readVectors(bytes));
      else this.reply(content, bytes);
    } catch (error) {
      // The answer to a text that has been replaced meanwhile is of no use to anyone.
      if (run === this.run) this.reply({ kind: "error", request, ...problemOf(error) });
    }
  }
}

function lineOf({ query, key }: { query: number | null; key: number | null }): string {
  return (query === null ? "" : `&query=${query}`) + (key === null ? "" : `&key=${key}`);
}

/**
 * Floats of weights that come in 16 bits on a square-root scale, made of each part while the next is on its way: of
 * 2,048 tokens the last is there 12 ms sooner than if all had been waited for.
 */
export async function widened(response: Response): Promise<Uint8Array> {
  const weights = new Float32Array(Number(response.headers.get("content-length")) / 2);
  const reader = response.body!.getReader();
  let at = 0; // in bytes
  let half = 0; // the first byte of a number that a part ended in
  for (;;) {
    const { done, value: part } = await reader.read();
    if (done) break;
    if (part.length === 0) continue;
    const first = at % 2;
    if (first) weights[at >> 1] = weightOf(half | (part[0] << 8));
    const pairs = (part.length - first) >> 1;
    const start = part.byteOffset + first;
    const roots = new Uint16Array(start % 2 ? part.slice(first).buffer : part.buffer, start % 2 ? 0 : start, pairs);
    widen(roots, weights.subarray((at + first) >> 1));
    half = part[part.length - 1];
    at += part.length;
  }
  return new Uint8Array(weights.buffer);
}

/** In a function of its own, which is compiled once for all parts. */
function widen(roots: Uint16Array, weights: Float32Array): void {
  for (let i = 0; i < roots.length; i++) weights[i] = weightOf(roots[i]);
}

function weightOf(steps: number): number {
  const root = steps * (1 / 65535);
  return root * root;
}

class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

/** Asks the server; what it refuses is thrown with its reason. */
export async function ask(path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(path, init);
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refusal({
    message: body.message ?? `${path}: the server answered ${response.status}`,
    help: body.help ?? UNREACHABLE,
    gone: response.status === 410,
  });
}

/** What a failed request means to a reader. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Refusal) return error.problem;
  return toProblem(error instanceof TypeError ? "The server does not answer." : error, UNREACHABLE);
}
