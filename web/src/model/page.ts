/** The host of the self-contained page: every answer comes from the data that the page carries. */

import { aside } from "./aside";
import { type Answer, Carried, type OfHead } from "./carried";
import { LocalHost, type Request, toProblem } from "./host";
import { Safetensors } from "./safetensors";
import { readTrace } from "./trace";
import { fromBase64, type Packed, unpack } from "./unpack";

const DAMAGED = "The file is damaged or cut short: export it again.";
const TOO_OLD = "This browser cannot unpack the page's data: use one from 2023 or later.";

/** Patterns of longer texts are computed by a worker; those of shorter ones are there before it would have begun. */
const SHORT = 160;

/** A packed part of this page. */
export async function partOfPage(index: number): Promise<Packed> {
  return fromBase64(await lettersOf(index));
}

/**
 * The letters of a part, as soon as the browser has read so far: the first picture of a page of 42 MB need not wait
 * for all of it.
 */
function lettersOf(index: number): Promise<string> {
  return new Promise((resolve) => {
    const look = () => {
      const parts = document.querySelectorAll('script[type="application/x-headscope"]');
      // A script is there from its first letter on, and whole when something follows.
      if (document.readyState === "loading" && parts.length < index + 2) return;
      observer.disconnect();
      document.removeEventListener("readystatechange", look);
      resolve(parts[index]?.textContent?.trim() ?? "");
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true });
    document.addEventListener("readystatechange", look);
    look();
  });
}

export class PageHost extends LocalHost {
  private answer!: (content: OfHead) => Promise<Answer>;

  /** `parts` are packed: the overview, then the block of each layer. */
  constructor(
    values: Record<string, unknown>,
    private readonly part: (index: number) => Promise<Packed>,
  ) {
    super(values);
    this.begin();
  }

  send(content: Request): void {
    if (content.kind === "run" || content.kind === "exact") return;
    this.answer(content).then(
      (answer) => {
        const { layer, head, request } = content;
        if ("vectors" in answer) return this.replyVectors({ ...content, kind: "vectors" }, answer.vectors);
        const { buffer, byteOffset, byteLength } = answer.pattern;
        this.reply({ kind: "pattern", layer, head, request }, new Uint8Array(buffer, byteOffset, byteLength));
      },
      (error) => this.refuse(content.request, error),
    );
  }

  private async begin() {
    try {
      const bytes = await unpack(await this.part(0));
      const trace = readTrace(Safetensors.read(bytes));
      const packed = (layer: number) => this.part(1 + layer);
      const isShort = Math.max(...trace.parts.map(({ queries, keys }) => Math.max(queries.length, keys.length))) <= SHORT;
      const here = new Carried(trace, packed);
      this.answer = isShort ? (content) => here.answer(content) : aside(trace, packed);
      this.set("overview", bytes);
    } catch (error) {
      this.refuse(0, error);
    }
  }

  private refuse(request: number, error: unknown) {
    const help = "DecompressionStream" in globalThis ? DAMAGED : TOO_OLD;
    this.reply({ kind: "error", request, ...toProblem(error, help) });
  }
}
