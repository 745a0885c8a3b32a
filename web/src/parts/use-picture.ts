import { useMemo, useRef } from "preact/hooks";
import { useCell } from "../cell";
import { type Picture, pictureOf } from "../picture";
import type { Session } from "../session";
import { grainOf } from "../state";

/** The picture of a session's state, if there is a session; the last one while a pattern is on its way. */
export function usePicture(session: Session | null): Picture | null {
  const shown = useCell(session?.shown);
  const arrivals = useCell(session?.arrivals);
  const state = useCell(session?.state);
  const last = useRef<Picture | null>(null);
  const { heads, focus, flow, keep, special, scale, top, upTo } = state ?? {};
  return useMemo(() => {
    last.current = shown && state ? (pictureOf(shown, state) ?? last.current) : null;
    return last.current;
  }, [shown, arrivals, heads, focus?.layer, focus?.head, flow, keep, state && grainOf(state), special, scale, top, upTo]);
}
