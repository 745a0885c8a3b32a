/** On narrow screens: the head, a step at a time, and the switch that unfolds the atlas. */

import { layerName, type Trace } from "../model/trace";
import { useCell } from "../cell";
import type { Session } from "../session";
import { step } from "../state";

interface Props {
  session: Session;
  trace: Trace;
  folded: boolean;
  onFold: () => void;
}

export function Stepper({ session, trace, folded, onFold }: Props) {
  const { focus } = useCell(session.state);
  const by = (layers: number, heads: number) => () =>
    session.update((state) => step(state, layers, heads, trace));
  return (
    <div class="stepper">
      <Step name="layer" value={layerName(trace, focus.layer)} down={by(-1, 0)} up={by(1, 0)} />
      <Step name="head" value={String(focus.head)} down={by(0, -1)} up={by(0, 1)} />
      <button class="chip" aria-expanded={!folded} onClick={onFold} data-testid="unfold">
        All heads {folded ? "▾" : "▴"}
      </button>
    </div>
  );
}

/** One number with a step to either side. */
export function Step({ name, value, down, up }: { name: string; value: string; down: () => void; up: () => void }) {
  return (
    <div class="step" role="group" aria-label={name}>
      <button class="chip" aria-label={`Previous ${name}`} onClick={down}>
        ‹
      </button>
      <span>
        {name} <strong>{value}</strong>
      </span>
      <button class="chip" aria-label={`Next ${name}`} onClick={up}>
        ›
      </button>
    </div>
  );
}
