/** Numbers over layers as lines, and the same as a table. */

import { useState } from "preact/hooks";
import { print } from "../../model/neuron";

export interface Series {
  name: string;
  values: number[];
  dashed?: boolean;
}

interface Props {
  label: string;
  /** What the places along the line are called. */
  ticks: string[];
  series: Series[];
}

const [WIDTH, HEIGHT] = [560, 210];
const PAD = { left: 34, right: 12, top: 12, bottom: 26 };

export function Curve({ label, ticks, series }: Props) {
  const [pointed, point] = useState<number | null>(null);
  const all = series.flatMap(({ values }) => values);
  const low = Math.min(0, ...all);
  const x = (i: number) => PAD.left + (i / Math.max(1, ticks.length - 1)) * (WIDTH - PAD.left - PAD.right);
  const y = (value: number) => PAD.top + ((1 - value) / (1 - low)) * (HEIGHT - PAD.top - PAD.bottom);
  const path = (values: number[]) => values.map((value, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const move = (event: PointerEvent) => {
    const { left, width } = (event.currentTarget as Element).getBoundingClientRect();
    const at = ((event.clientX - left) / width) * WIDTH;
    const step = (WIDTH - PAD.left - PAD.right) / Math.max(1, ticks.length - 1);
    point(Math.max(0, Math.min(ticks.length - 1, Math.round((at - PAD.left) / step))));
  };
  const at = pointed ?? ticks.length - 1;
  return (
    <div class="curve">
      <p class="legend-line">
        <span class="label">{ticks[at]}</span>
        {series.map(({ name, values, dashed }) => (
          <span key={name} data-dashed={dashed}>
            <i aria-hidden="true" /> {name} <span class="figure">{print(values[at], 3)}</span>
          </span>
        ))}
      </p>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${label}: ${series.map(({ name, values }) => `${name} from ${print(values[0], 3)} to ${print(values[values.length - 1], 3)}`).join("; ")}`}
        onPointerMove={move}
        onPointerDown={move}
        onPointerLeave={() => point(null)}
      >
        {[0, 0.5, 1].map((value) => (
          <g key={value}>
            <path class="grid" d={`M${PAD.left} ${y(value)}H${WIDTH - PAD.right}`} />
            <text class="axis end" x={PAD.left - 7} y={y(value) + 3.5}>
              {value}
            </text>
          </g>
        ))}
        {ticks.map((_, i) => (
          <text class="axis middle" key={i} x={x(i)} y={HEIGHT - 8}>
            {i}
          </text>
        ))}
        <path class="pointed" d={`M${x(at)} ${PAD.top}V${HEIGHT - PAD.bottom}`} />
        {series.map(({ name, values, dashed }) => (
          <path key={name} class="line" data-dashed={dashed} d={path(values)} />
        ))}
        {series.map(({ name, values, dashed }) => (
          <circle key={name} class="dot" data-dashed={dashed} cx={x(at)} cy={y(values[at])} r="4" />
        ))}
      </svg>
      <details>
        <summary>the curve as a table</summary>
        <table class="numbers-table">
          <thead>
            <tr>
              <th scope="col">vector</th>
              {series.map(({ name }) => (
                <th scope="col" class="number" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {ticks.map((tick, i) => (
              <tr key={tick} data-step={i}>
                <th scope="row">{tick}</th>
                {series.map(({ name, values }) => (
                  <td class="number" key={name}>
                    {print(values[i], 4)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </div>
  );
}
