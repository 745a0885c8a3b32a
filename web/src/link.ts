/** Keeps the address bar and the state the same, so that a copied link shows the same picture. */

import type { Comparison } from "./compare";
import type { Session } from "./session";
import { fromHash, INITIAL, toHash } from "./state";

/** Changes that follow each other faster are one step back. */
const ONE_STEP_MS = 700;
/**
 * The address is written when nothing has changed for this long. Writing it keeps the browser from other work for
 * 30 ms and more, which the picture would wait for: at 512 tokens a layer switch took 75 ms instead of 50.
 */
const REST_MS = 150;

/** Writes at once what is waiting to be written. */
let settle = () => {};
let isKept = false;

/** Whether the state is kept in an address that leads back to it: a notebook's frame or widget has none. */
export function hasLink(): boolean {
  return isKept && location.protocol !== "about:";
}

/** The address of what is on screen. */
export function linkNow(): string {
  settle();
  return location.href;
}

export function keepLink(session: Session, comparison: Comparison): () => void {
  isKept = true;
  let lastChange = 0;
  let reading = false;
  const texts = () => (session.editable ? (session.shown.value?.trace.texts ?? null) : null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let step = false;
  const change = (first: boolean) => {
    if (reading || !session.shown.value) return;
    const now = performance.now();
    step ||= !first && now - lastChange > ONE_STEP_MS;
    lastChange = now;
    clearTimeout(timer);
    if (first) write();
    else timer = setTimeout(write, REST_MS);
  };
  const write = () => {
    clearTimeout(timer);
    const hash = toHash(session.state.value, texts(), comparison.texts);
    if (hash === location.hash) return;
    try {
      if (step) history.pushState(null, "", hash);
      else history.replaceState(null, "", hash);
    } catch {
      // A sandboxed frame has no history of its own; the picture works without.
    }
    step = false;
  };
  settle = () => {
    if (session.shown.value) write();
  };
  const read = () => {
    clearTimeout(timer);
    step = false;
    const { state, texts: wanted } = fromHash(location.hash, INITIAL);
    reading = true;
    session.open(state, wanted);
    reading = false;
  };
  let drawn = false;
  const stops = [
    session.state.subscribe(() => change(!drawn)),
    comparison.other.subscribe(() => change(!drawn)),
    session.shown.subscribe(() => {
      change(!drawn);
      drawn = true;
    }),
  ];
  addEventListener("popstate", read);
  addEventListener("pagehide", settle);
  return () => {
    stops.forEach((stop) => stop());
    removeEventListener("popstate", read);
    removeEventListener("pagehide", settle);
  };
}
