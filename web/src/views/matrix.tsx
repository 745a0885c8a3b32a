/** The matrix view: a head's weights as cells, queries down and keys across, from all of them to one. */

import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useCell } from "../cell";
import type { Palette } from "../colours";
import { strongest } from "../model/measure";
import { SUMMARIES } from "../model/pyramid";
import { headTitle } from "../model/trace";
import { useSize } from "../parts/size";
import type { Picture } from "../picture";
import type { Session } from "../session";
import { pinPair, type State } from "../state";
import { type Camera, clamped, fitted, revealing, zoomed } from "./matrix/camera";
import { drawBase, drawOver } from "./matrix/drawing";
import type { Taken } from "./matrix/difference";
import { Legend } from "./matrix/legend";
import { centre, usePointer, useZoomKeys } from "./matrix/pointer";
import { rampOf, rampOfDifferences } from "./matrix/ramp";
import { Readout } from "./matrix/readout";
import { numbersOf, type Scene, sceneOf } from "./matrix/scene";
import { levelFor, Tiles } from "./matrix/tiles";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
  /** The weights whose difference from the picture's is shown. */
  taken?: Taken | null;
}

/** A frame makes tiles and sums rows for so long, then it is drawn with what there is. */
const BUDGET_MS = 6;
/** The first picture of a pattern may take longer, so that it comes at once. */
const FIRST_BUDGET_MS = 60;
/** What is in sight is written in the link when it has not moved for this long. */
const REST_MS = 250;
/** What one press of + or one click on it does. */
const ZOOM = 1.5;

export function MatrixView({ session, picture, palette, taken = null }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const base = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const size = useSize(frame);
  const said = useId(); // several heads may stand beside each other
  const [level, setLevel] = useState(0);
  const [summed, setSummed] = useState<Scene | null>(null); // whose rows and columns have been gone through
  const { focus, summary, zoom: linked } = useCell(session.state);
  const numbers = useMemo(() => numbersOf(picture, taken), [picture, taken?.weights]);
  const scene = useMemo(() => sceneOf(picture, numbers, frame.current, size), [numbers, palette, size]);
  const ratio = devicePixelRatio || 1;
  const isDifference = taken !== null;
  const ramp = useMemo(
    () => (isDifference ? rampOfDifferences : rampOf)(palette.dark),
    [palette.dark, isDifference],
  );
  const { grid, extent, plot } = scene;
  const top = levelFor(fitted(extent, plot).cell * ratio);
  const tiles = useMemo(
    () => new Tiles(grid, summary, picture.scale, ramp, top),
    [numbers, summary, ramp, top],
  );

  // What moves with the pointer is kept out of the components: a frame only draws.
  const camera = useRef<Camera & { fits: boolean }>({ row: 0, column: 0, cell: 1, fits: true });
  const drawing = useRef({ base: (): boolean => true, over: () => {} });
  const pending = useRef({ frame: 0, base: false });
  const request = (all: boolean) => {
    pending.current.base ||= all;
    pending.current.frame ||= requestAnimationFrame(() => {
      const { base: moved } = pending.current;
      pending.current = { frame: 0, base: false };
      if (moved && !drawing.current.base()) request(true);
      drawing.current.over();
    });
  };
  /** What of the state's zoom this view has written, or followed. */
  const shown = useRef<State["zoom"]>(null);
  const resting = useRef<ReturnType<typeof setTimeout>>(undefined);
  const move = (to: Camera) => {
    camera.current = { ...to, fits: to.cell <= fitted(extent, plot).cell };
    if (base.current) base.current.parentElement!.dataset.zoomed = String(!camera.current.fits);
    setLevel(levelFor(to.cell * ratio));
    request(true);
    clearTimeout(resting.current);
    resting.current = setTimeout(() => {
      const { fits, ...zoom } = camera.current;
      shown.current = fits ? null : zoom;
      if (session.state.value.zoom === shown.current) return; // all of it was in sight, and is
      session.update((state) => ({ ...state, zoom: shown.current }));
    }, REST_MS);
  };

  useLayoutEffect(() => {
    if (!size.width || !base.current || !over.current) return;
    const { fits } = camera.current;
    const now = fits ? fitted(extent, plot) : clamped(camera.current, extent, plot);
    camera.current = { ...now, fits };
    setLevel(levelFor(now.cell * ratio));
    let budget = FIRST_BUDGET_MS;
    drawing.current.base = () => {
      const end = performance.now() + budget;
      budget = BUDGET_MS;
      const pause = () => performance.now() > end;
      const complete = drawBase(base.current!, scene, tiles, ramp, palette.dark, camera.current, pause);
      if (scene.margins.done) setSummed(scene);
      return complete;
    };
    drawing.current.over = () => drawOver(over.current!, scene, camera.current, session);
    if (!drawing.current.base()) request(true);
    drawing.current.over();
  }, [scene, tiles, ramp, size]);

  useEffect(() => {
    const stops = [session.hover, session.refined].map((cell) => cell.subscribe(() => request(false)));
    return () => stops.forEach((stop) => stop());
  }, [session]);
  useLayoutEffect(() => {
    const [row, column] = [scene.rowOf(focus.query), scene.columnOf(focus.key)];
    if (row >= 0 || column >= 0) {
      move(revealing(camera.current, row < 0 ? null : row, column < 0 ? null : column, extent, plot));
    }
    request(false);
  }, [focus.query, focus.key, scene]);
  // A link, or a step back, says what is in sight.
  useLayoutEffect(() => {
    if (!size.width || linked === shown.current) return;
    shown.current = linked;
    camera.current = { ...clamped(linked ?? fitted(extent, plot), extent, plot), fits: linked === null };
    move(camera.current);
  }, [linked, size]);
  // A layout effect: a view that goes before its first frame has no other yet.
  useLayoutEffect(
    () => () => {
      cancelAnimationFrame(pending.current.frame);
      clearTimeout(resting.current);
    },
    [],
  );

  const pointer = usePointer(over, scene, camera, move, session);
  const zoom = (factor: number) => move(zoomed(camera.current, factor, centre(scene, camera.current, focus), extent, plot));
  const fit = () => move(fitted(extent, plot));
  useZoomKeys(frame, { "+": () => zoom(ZOOM), "=": () => zoom(ZOOM), "-": () => zoom(1 / ZOOM), "0": fit });

  const title = headTitle(picture.trace, picture.heads[picture.focused]);
  return (
    <>
      <div class="matrix-bar">
        <Readout id={said} session={session} picture={picture} scene={scene} summed={summed === scene} />
        {top > 0 && (
          <div class="choices" role="group" aria-label="What a cell of many weights shows">
            {SUMMARIES.map((each) => (
              <button
                key={each}
                aria-pressed={each === summary}
                data-testid={`summary-${each}`}
                onClick={() => session.update((state) => ({ ...state, summary: each }))}
              >
                {each}
              </button>
            ))}
          </div>
        )}
        <div class="choices zoom" role="group" aria-label="Zoom">
          <button aria-label="Zoom out" title="Zoom out (−)" data-testid="zoom-out" onClick={() => zoom(1 / ZOOM)}>
            −
          </button>
          <button aria-label="Zoom in" title="Zoom in (+)" data-testid="zoom-in" onClick={() => zoom(ZOOM)}>
            +
          </button>
          <button title="All of it (0)" data-testid="zoom-fit" onClick={fit}>
            fit
          </button>
        </div>
      </div>
      <div class="matrix" ref={frame} data-testid="matrix-view">
        <canvas class="base" ref={base} aria-hidden="true" />
        <canvas
          class="over"
          ref={over}
          tabIndex={0}
          role="application"
          aria-label={`${title}${taken ? ` less ${taken.title}` : ""}: weights of ${extent.rows} queries, down, on ${extent.columns} keys, across`}
          aria-describedby={said}
          data-testid="matrix"
          data-plot={`${plot.left} ${plot.top} ${plot.width} ${plot.height}`}
          onKeyDown={(event) => {
            if (event.key === "Enter") pinStrongest(session, picture);
          }}
          {...pointer}
        />
      </div>
      <Legend picture={picture} scene={scene} ramp={ramp} level={level} summary={summary} taken={taken} />
    </>
  );
}

/** Makes a pair of the pinned token, or of the first query, and what it is most joined to. */
function pinStrongest(session: Session, { weights, focused, part, shown, shows }: Picture) {
  const { query, key } = session.state.value.focus;
  if (query !== null && key !== null) return;
  const from = query ?? (key === null ? shown.query[0] : null);
  const edges = strongest([weights[focused]], part, { query: from, key: from === null ? key : null }, 1, (q, k) => {
    return shown.query.includes(q) && shown.key.includes(k) && shows(q, k);
  });
  if (edges.length) session.update((state) => pinPair(state, edges[0].query, edges[0].key));
}
