import { useCell } from "../../cell";
import { sees, weightAt } from "../../model/pyramid";
import { Piece } from "../../parts/piece";
import { activeSlice, type Picture } from "../../picture";
import type { Session } from "../../session";
import { exact, exactDifference } from "./exact";
import type { Scene } from "./scene";

/** The hovered or pinned weight in words and digits. */
export function Readout({
  id,
  session,
  picture: { part },
  scene,
  summed,
}: {
  id: string;
  session: Session;
  picture: Picture;
  scene: Scene;
  /** Whether the rows and columns have been gone through. */
  summed: boolean;
}) {
  const hover = useCell(session.hover);
  const { focus } = useCell(session.state);
  useCell(session.refined);
  const slice = activeSlice(hover, focus);
  const { grid, margins, rowOf, columnOf, shows } = scene;
  const write = grid.signed ? exactDifference : exact;
  const [row, column] = [rowOf(slice?.query ?? null), columnOf(slice?.key ?? null)];
  const query = row >= 0 && <Piece of={part.queries[slice!.query!].piece} />;
  const key = column >= 0 && <Piece of={part.keys[slice!.key!].piece} />;
  return (
    <p class="readout" id={id} data-testid="readout" aria-live={hover ? "off" : "polite"}>
      {query && key ? (
        <>
          {query} <span class="arrow">→</span> {key}{" "}
          {sees(grid, row, column) ? (
            <strong class="figure">{write(weightAt(grid, row, column))}</strong>
          ) : (
            <span class="label">hidden from it by the mask</span>
          )}
          {!shows(slice!.query!, slice!.key!) && <span class="label"> filtered out</span>}
        </>
      ) : query ? (
        <>
          {query} <span class="label">{grid.signed ? "looks apart by" : "attends, entropy"}</span>{" "}
          <strong class="figure">
            {summed ? `${margins.ofRows[row].toFixed(2)}${grid.signed ? "" : " nats"}` : "…"}
          </strong>
        </>
      ) : key ? (
        <>
          {key} <span class="label">{grid.signed ? "differs on average by" : "receives on average"}</span>{" "}
          <strong class="figure">{summed ? exact(margins.ofColumns[column]) : "…"}</strong>
        </>
      ) : (
        <span class="label">
          Point at a cell<span class="more"> for its weight; click pins, wheel zooms, drag moves</span>
        </span>
      )}
    </p>
  );
}
