/** A second text beside the first: a session of its own that shows the same heads with the same switches. */

import { Cell } from "./cell";
import type { Host } from "./model/host";
import { Session } from "./session";
import { fit, follow, partOf, type State, toHash } from "./state";

/** What stands beside a session, and how it gets there. */
export class Comparison {
  readonly other = new Cell<Session | null>(null);
  private stop = () => {};

  /** `open` makes a host that runs texts; null where texts cannot be run. */
  constructor(
    private readonly main: Session,
    private readonly open: ((texts: string[]) => Host) | null,
  ) {}

  get isPossible(): boolean {
    return this.open !== null;
  }

  /** The texts that stand beside the first, if any do. */
  get texts(): string[] | null {
    return this.other.value?.draft.value ?? null;
  }

  /** Sets texts beside those of the main session. */
  start(texts: string[]): void {
    if (!this.open) return;
    this.end();
    const { main } = this;
    const other = new Session(this.open(texts), toHash(main.state.value, null));
    other.draft.set(texts);
    const stops = [
      main.state.subscribe((state) => other.update(() => this.followed(state, other))),
      other.shown.subscribe(() => other.update(() => this.followed(main.state.value, other))),
      main.hover.subscribe((hover) => other.hover.set(hover && this.counterpart(hover, other))),
    ];
    this.stop = () => {
      stops.forEach((stop) => stop());
      other.close();
    };
    this.other.set(other);
  }

  end(): void {
    this.stop();
    this.stop = () => {};
    this.other.set(null);
  }

  /** The main session's state, with its pinned tokens found again in the other text. */
  private followed(state: State, other: Session): State {
    const trace = other.shown.value?.trace;
    if (!trace) return state;
    return fit({ ...state, focus: { ...state.focus, ...this.counterpart(state.focus, other) } }, trace);
  }

  /** Where a token of the main text is in the other: its piece, nearest to its place. */
  private counterpart(of: { query: number | null; key: number | null }, other: Session) {
    const [here, there] = [this.main.shown.value?.trace, other.shown.value?.trace];
    if (!here || !there) return { query: null, key: null };
    const state = this.main.state.value;
    const [was, is] = [partOf(state, here), partOf(state, there)];
    return {
      query: follow(of.query, was.queries, is.queries),
      key: follow(of.key, was.keys, is.keys),
    };
  }
}
