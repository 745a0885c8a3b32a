/** Vectors below each other, with one readout for all: what each has in the dimension under the pointer. */

import { useState } from "preact/hooks";
import { print } from "../../model/neuron";
import { Strip } from "../../views/neuron/strip";

export function Vectors({ of }: { of: { name: string; values: ArrayLike<number> }[] }) {
  const [pointed, point] = useState<number | null>(null);
  const width = of[0].values.length;
  const at = pointed !== null && pointed < width ? pointed : null;
  return (
    <div class="neuron-strips vectors" onPointerLeave={() => point(null)}>
      <div class="strips">
        {of.map(({ name, values }) => (
          <Strip key={name} name={name} values={values} pointed={at} onPoint={point} />
        ))}
      </div>
      <p class="readout">
        {at === null ? (
          <span class="label">{width} numbers each; up is positive. Point at one to read it.</span>
        ) : (
          <>
            <span class="label">number {at}</span>
            {of.map(({ name, values }) => (
              <span class="key" key={name}>
                {name} <span class="figure">{print(values[at], 3)}</span>
              </span>
            ))}
          </>
        )}
      </p>
    </div>
  );
}
