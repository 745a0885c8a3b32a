/** The token that looks, and the head that it looks with. */

import type { HeadId } from "../../model/trace";
import { Step } from "../../parts/stepper";
import { headOf, queryOf } from "../choice";
import type { ChapterProps } from "../chapters";
import { Chips } from "./chips";

export function TokenPicker({ lesson, scenes, place, label }: ChapterProps & { label: string }) {
  return (
    <div class="picker">
      <p class="label">{label}</p>
      <Chips
        label={label}
        tokens={scenes.pair.tokens}
        chosen={queryOf(place, scenes)}
        onChoose={(query) => lesson.go({ query })}
      />
    </div>
  );
}

export function HeadPicker({ lesson, scenes, place }: ChapterProps) {
  const head = headOf(place, scenes);
  return <HeadSteps id={head} of={scenes.pair.trace} onChange={(head) => lesson.go({ head })} />;
}

interface Steps {
  id: HeadId;
  of: { layers: number; heads: number };
  onChange: (id: HeadId) => void;
}

/** One step at a time through layers and heads. */
export function HeadSteps({ id: { layer, head }, of, onChange }: Steps) {
  const inside = (index: number, count: number) => Math.max(0, Math.min(count - 1, index));
  const to = (layers: number, heads: number) => () =>
    onChange({ layer: inside(layer + layers, of.layers), head: inside(head + heads, of.heads) });
  return (
    <div class="head-steps">
      <Step name="layer" value={String(layer)} down={to(-1, 0)} up={to(1, 0)} />
      <Step name="head" value={String(head)} down={to(0, -1)} up={to(0, 1)} />
    </div>
  );
}
