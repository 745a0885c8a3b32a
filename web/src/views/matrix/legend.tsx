import type { Summary } from "../../model/pyramid";
import { headTitle } from "../../model/trace";
import type { Picture } from "../../picture";
import type { Taken } from "./difference";
import { cssOf } from "./ramp";
import type { Scene } from "./scene";

/** What the colours mean, and what a cell stands for. */
export function Legend({
  picture: { scale, heads, focused, trace },
  scene,
  ramp,
  level,
  summary,
  taken,
}: {
  picture: Picture;
  scene: Scene;
  ramp: Uint32Array;
  level: number;
  summary: Summary;
  taken: Taken | null;
}) {
  const stops = Array.from({ length: 9 }, (_, i) => cssOf(ramp[Math.round((i / 8) * (ramp.length - 1))]));
  const side = 2 ** level;
  const title = headTitle(trace, heads[focused]);
  const largest = taken ? "one farthest from 0" : "largest";
  return (
    <p class="scale-key ramp-key" data-testid="matrix-key">
      <span>
        {taken ? `−${Number(scale.top.toPrecision(3))}` : 0}
        <i class="ramp" style={{ background: `linear-gradient(to right, ${stops.join()})` }} />
        {Number(scale.top.toPrecision(3))}, {scale.sqrt ? "√ scale" : "linear"}
      </span>
      {scene.masked && (
        <span>
          <i class="masked" /> masked
        </span>
      )}
      {taken ? (
        <span data-testid="taken">
          {title} − {taken.title}
        </span>
      ) : (
        heads.length > 1 && <span>one head drawn: {title}</span>
      )}
      <span data-testid="level">
        {level > 0 && `a cell is the ${summary === "max" ? largest : "mean"} of ${side} × ${side} weights`}
      </span>
    </p>
  );
}
