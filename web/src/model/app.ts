/** The host of the local app: asks the server on 127.0.0.1 that served this page. */

import { LocalHost, type Problem, type Request, toProblem } from "./host";
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
      const response = await ask(`/api/${kind}?layer=${layer}&head=${head}&run=${run}`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (content.kind === "vectors") this.replyVectors(content, readVectors(bytes));
      else this.reply({ kind: "pattern", layer, head, request }, bytes);
    } catch (error) {
      // The answer to a text that has been replaced meanwhile is of no use to anyone.
      if (run === this.run) this.reply({ kind: "error", request, ...problemOf(error) });
    }
  }
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
