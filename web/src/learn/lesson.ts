/** One reader's lesson: where they are, what they have typed, and what the model made of it. */

import { Cell } from "../cell";
import { type Problem, toProblem } from "../model/host";
import { follow } from "../state";
import { fromLink, type Place, type Sentences } from "./place";
import { readScenes, type Scenes } from "./scene";

/** Typing rests this long before the sentences are run. */
const TYPING_PAUSE_MS = 90;

/** Runs sentences, or hands over the one run that a file carries. */
export interface Source {
  editable: boolean;
  /** The containers of the scenes, by name. */
  run(texts: Sentences, signal: AbortSignal): Promise<Record<string, Uint8Array>>;
  /** How the vocabulary spells an id; null if it has none, or if nobody is there to ask. */
  piece(id: number): Promise<string | null>;
}

export class Lesson {
  readonly place: Cell<Place>;
  readonly texts: Cell<Sentences>;
  /** The last that came; they stay until the next ones are there. */
  readonly scenes = new Cell<Scenes | null>(null);
  readonly problem = new Cell<Problem | null>(null);
  readonly busy = new Cell(false);
  private typing: ReturnType<typeof setTimeout> | undefined;
  private running: AbortController | null = null;

  constructor(
    readonly source: Source,
    private readonly usual: Sentences,
    private readonly chapters: number,
    hash: string,
  ) {
    const { place, texts } = fromLink(hash, chapters, usual);
    this.place = new Cell(place);
    this.texts = new Cell(source.editable ? texts : usual);
    this.run();
  }

  go(change: Partial<Place>): void {
    this.place.set({ ...this.place.value, ...change });
  }

  /** Goes where a link says. */
  open(hash: string): void {
    const { place, texts } = fromLink(hash, this.chapters, this.usual);
    this.place.set(place);
    const same = JSON.stringify(texts) === JSON.stringify(this.texts.value);
    if (this.source.editable && !same) this.edit(texts, 0);
  }

  /** Takes what was typed, and runs it when the typing rests. */
  edit(texts: Sentences, pause = TYPING_PAUSE_MS): void {
    this.texts.set(texts);
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.run(), pause);
  }

  close(): void {
    clearTimeout(this.typing);
    this.running?.abort();
  }

  private async run() {
    const texts = this.texts.value;
    const empty = [...texts.pair, ...texts.senses].findIndex((text) => text.trim() === "");
    if (empty >= 0) {
      const message = empty < 2 ? `Sentence ${"AB"[empty]} is empty.` : "One of the two sentences is empty.";
      return this.problem.set({ message, help: "Type a few words; the figures show the text before." });
    }
    this.running?.abort(); // answers must not overtake each other
    const { signal } = (this.running = new AbortController());
    this.busy.set(true);
    try {
      const scenes = readScenes(await this.source.run(texts, signal));
      if (signal.aborted) return;
      this.place.set(refocus(this.place.value, this.scenes.value, scenes));
      this.scenes.set(scenes);
      this.problem.set(null);
    } catch (error) {
      if (signal.aborted) return;
      this.problem.set(isProblem(error) ? error : toProblem(error, "Start headscope again, or write the file again."));
    }
    this.busy.set(false);
  }
}

function isProblem(error: unknown): error is Problem {
  return typeof error === "object" && error !== null && "message" in error && "help" in error;
}

/** The chosen token found again in a new text; a head that is not there is given up. */
function refocus(place: Place, before: Scenes | null, { pair }: Scenes): Place {
  const query = before ? follow(place.query, before.pair.tokens, pair.tokens) : place.query;
  const { layers, heads } = pair.trace;
  const isThere = place.head && place.head.layer < layers && place.head.head < heads;
  return { ...place, query: query !== null && query < pair.tokens.length ? query : null, head: isThere ? place.head : null };
}
