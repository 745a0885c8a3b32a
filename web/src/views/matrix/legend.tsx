import type { Summary } from "../../model/pyramid";
import { headTitle } from "../../model/trace";
import type { Picture } from "../../picture";
import { cssOf } from "./ramp";
import type { Scene } from "./scene";

/** What the colours mean, and what a cell stands for. */
export function Legend({
  picture: { scale, heads, focused, trace },
  scene,
  ramp,
  level,
  summary,
}: {
  picture: Picture;
  scene: Scene;
  ramp: Uint32Array;
  level: number;
  summary: Summary;
}) {
  const stops = Array.from({ length: 9 }, (_, i) => cssOf(ramp[Math.round((i / 8) * (ramp.length - 1))]));
  const side = 2 ** level;
  return (
    <p class="scale-key ramp-key" data-testid="matrix-key">
      <span>
        0
        <i class="ramp" style={{ background: `linear-gradient(to right, ${stops.join()})` }} />
        {Number(scale.top.toPrecision(3))}, {scale.sqrt ? "√ scale" : "linear"}
      </span>
      {scene.masked && (
        <span>
          <i class="masked" /> masked
        </span>
      )}
      {heads.length > 1 && <span>one head drawn: {headTitle(trace, heads[focused])}</span>}
      <span data-testid="level">
        {level > 0 && `a cell is the ${summary === "max" ? "largest" : "mean"} of ${side} × ${side} weights`}
      </span>
    </p>
  );
}
