/** How the matrix view is moved and pointed at. */

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isTaken, keyTarget } from "../../parts/keys";
import type { Session } from "../../session";
import { pin, pinPair, type State } from "../../state";
import { type Camera, cellAt, panned, zoomed } from "./camera";
import { middleOf } from "./rulers";
import type { Scene } from "./scene";

/** A pointer that moved less was a click. */
const SLACK = 4;

interface Point {
  x: number;
  y: number;
}

/** Hover, click, drag, wheel and pinch. */
export function usePointer(
  canvas: RefObject<HTMLCanvasElement | null>,
  scene: Scene,
  camera: RefObject<Camera>,
  move: (to: Camera) => void,
  session: Session,
) {
  const { extent, plot, grid } = scene;
  /** The pointers that are down, and how far they have gone. */
  const down = useRef({ at: new Map<number, Point>(), travelled: 0 });
  const pointOf = (event: MouseEvent): Point => {
    const { left, top } = canvas.current!.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  useEffect(() => {
    const element = canvas.current!;
    // A listener of its own, because only one that is not passive keeps the page from scrolling.
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const factor = Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018));
      move(zoomed(camera.current!, factor, pointOf(event), extent, plot));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [scene]);

  /** The query and the key under a point; a label of either side is over all of its row or column. */
  const under = (point: Point) => {
    const { row, column } = cellAt(camera.current!, point, extent, plot);
    const query = row === null ? null : grid.queries[row];
    const key = column === null ? null : grid.keys[column];
    const beside = point.x >= plot.left + plot.width || point.y >= plot.top + plot.height;
    return (query === null && key === null) || (beside && query !== null && key !== null) ? null : { query, key };
  };
  const hover = (event: PointerEvent) => {
    const now = under(pointOf(event));
    const before = session.hover.value;
    if (now?.query !== before?.query || now?.key !== before?.key) session.hover.set(now);
  };

  return {
    onPointerDown(event: PointerEvent) {
      const { at } = down.current;
      if (at.size === 0) down.current.travelled = 0;
      at.set(event.pointerId, pointOf(event));
      canvas.current!.setPointerCapture(event.pointerId);
    },
    onPointerMove(event: PointerEvent) {
      const { at } = down.current;
      const from = at.get(event.pointerId);
      if (!from) {
        if (event.pointerType !== "touch") hover(event);
        return;
      }
      const to = pointOf(event);
      at.set(event.pointerId, to);
      down.current.travelled += Math.abs(to.x - from.x) + Math.abs(to.y - from.y);
      if (down.current.travelled < SLACK) return;
      const other = [...at].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const between = (point: Point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
        const middle = { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 };
        move(zoomed(camera.current!, between(to) / between(from), middle, extent, plot));
      } else {
        move(panned(camera.current!, to.x - from.x, to.y - from.y, extent, plot));
      }
    },
    onPointerUp(event: PointerEvent) {
      down.current.at.delete(event.pointerId);
    },
    onPointerCancel(event: PointerEvent) {
      down.current.at.delete(event.pointerId);
    },
    onPointerLeave() {
      session.hover.set(null);
    },
    onClick(event: MouseEvent) {
      // The second click of two is a zoom.
      if (down.current.travelled >= SLACK || event.detail > 1) return;
      const at = under(pointOf(event));
      if (!at) return;
      const { query, key } = at;
      session.update((state) =>
        query === null ? pin(state, "key", key!) : key === null ? pin(state, "query", query) : pinPair(state, query, key),
      );
    },
    onDblClick(event: MouseEvent) {
      move(zoomed(camera.current!, 2, pointOf(event), extent, plot));
    },
  };
}

/** Keys that the view has for itself, wherever the focus is. */
export function useZoomKeys(frame: RefObject<HTMLElement | null>, keys: Record<string, () => void>) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const { host } = frame.current!.getRootNode() as ShadowRoot;
    const target = keyTarget(host as HTMLElement);
    const listen = (event: Event) => {
      const { key } = event as KeyboardEvent;
      if (isTaken(event as KeyboardEvent) || !Object.hasOwn(latest.current, key)) return;
      event.preventDefault();
      latest.current[key]();
    };
    target.addEventListener("keydown", listen);
    return () => target.removeEventListener("keydown", listen);
  }, []);
}

/** What keys and buttons zoom about: what is pinned and in sight, or else the middle. */
export function centre({ plot, rowOf, columnOf }: Scene, camera: Camera, { query, key }: State["focus"]): Point {
  const [row, column] = [rowOf(query), columnOf(key)];
  return {
    x: (column < 0 ? null : middleOf("key", column, camera, plot)) ?? plot.left + plot.width / 2,
    y: (row < 0 ? null : middleOf("query", row, camera, plot)) ?? plot.top + plot.height / 2,
  };
}
