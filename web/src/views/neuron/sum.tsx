/** The arithmetic from the product to the weight, a line for each step. */

import type { Line } from "../../model/neuron";

export function Sum({ lines }: { lines: Line[] }) {
  return (
    <section class="block">
      <h3>
        The sum, step by step <span class="label">each line follows from those above, as printed</span>
      </h3>
      <dl class="sum" data-testid="neuron-sum">
        {lines.map(({ key, label, how, value, total }) => (
          <div key={key} data-step={key} class={total ? "total" : undefined}>
            <dt>
              {label}
              <span class="how">{how}</span>
            </dt>
            <dd>
              <Aligned value={value} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** A number whose point stands under those of the others. */
function Aligned({ value }: { value: string }) {
  const point = value.indexOf(".");
  if (!/\d/.test(value)) return <span class="word">{value}</span>;
  const whole = point < 0 ? value : value.slice(0, point);
  return (
    <>
      <span class="whole">{whole}</span>
      <span class="rest">{point < 0 ? "" : value.slice(point)}</span>
    </>
  );
}
