/** Keeps the address bar and the state the same, so that a copied link shows the same picture. */

import type { Comparison } from "./compare";
import type { Session } from "./session";
import { fromHash, INITIAL, toHash } from "./state";

/** Changes that follow each other faster are one step back. */
const ONE_STEP_MS = 700;

export function keepLink(session: Session, comparison: Comparison): () => void {
  let lastChange = 0;
  let reading = false;
  const texts = () => (session.editable ? (session.shown.value?.trace.texts ?? null) : null);
  const write = (first: boolean) => {
    if (reading || !session.shown.value) return;
    const hash = toHash(session.state.value, texts(), comparison.texts);
    if (hash === location.hash) return;
    const now = performance.now();
    const step = !first && now - lastChange > ONE_STEP_MS;
    lastChange = now;
    try {
      if (step) history.pushState(null, "", hash);
      else history.replaceState(null, "", hash);
    } catch {
      // A sandboxed frame has no history of its own; the picture works without.
    }
  };
  const read = () => {
    const { state, texts: wanted } = fromHash(location.hash, INITIAL);
    reading = true;
    session.open(state, wanted);
    reading = false;
  };
  let drawn = false;
  const stops = [
    session.state.subscribe(() => write(!drawn)),
    comparison.other.subscribe(() => write(!drawn)),
    session.shown.subscribe(() => {
      write(!drawn);
      drawn = true;
    }),
  ];
  addEventListener("popstate", read);
  return () => {
    stops.forEach((stop) => stop());
    removeEventListener("popstate", read);
  };
}
