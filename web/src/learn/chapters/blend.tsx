/** Chapter 5: from the products of one row to weights, and from weights to what the token takes. */

import { useMemo, useState } from "preact/hooks";
import { type Neuron, print, rowOf, termsOf } from "../../model/neuron";
import { plain } from "../../model/piece";
import { Piece } from "../../parts/piece";
import type { ChapterProps } from ".";
import { headOf, queryOf } from "../choice";
import { Bar } from "../figures/bar";
import { Figure, Live } from "../figures/figure";
import { HeadPicker, TokenPicker } from "../figures/pickers";
import { Vectors } from "../figures/vector";

/** The slider's ends: scores divided by a tenth of √d, and by ten times that. */
const SPAN = 1;

export function Blend(props: ChapterProps) {
  const { scenes, place } = props;
  const { pair } = scenes;
  const head = headOf(place, scenes);
  const query = queryOf(place, scenes);
  const [heat, setHeat] = useState(0); // the logarithm of the temperature
  const temperature = 10 ** heat;
  const neuron = useMemo(() => pair.neuron(head), [pair, head.layer, head.head]);
  const values = useMemo(() => pair.values(head), [pair, head.layer, head.head]);
  const steps = useMemo(() => stepsOf(neuron, query, temperature), [neuron, query, temperature]);
  const { width } = neuron;
  const blend = useMemo(() => blended(values, steps.weights, width), [values, steps]);
  const root = Math.sqrt(width);
  const name = plain(pair.tokens[query].piece);
  const strongest = [...steps.weights.keys()].sort((a, b) => steps.weights[b] - steps.weights[a]).slice(0, 2);
  return (
    <>
      <div class="prose">
        <ol class="told">
          <li>
            <strong>Score.</strong> The query of “{name}” is multiplied with every key: q·k.
          </li>
          <li>
            <strong>Scale.</strong> A sum of {width} products tends to be large, and the next step would then hear only
            the loudest. So it is divided by √{width} = <Live of="root">{print(root, 3)}</Live>.
          </li>
          <li>
            <strong>Mask.</strong> Where the mask has a 0, the score becomes −∞. Here every token counts.
          </li>
          <li>
            <strong>Softmax.</strong> Scores become weights: each is taken as a power of e, which makes all positive and
            strong ones stronger, and divided by the sum of all. The largest score is subtracted first: the ratios stay
            the same, and no power grows past what a computer can hold.
          </li>
          <li>
            <strong>Blend.</strong> Every value is multiplied with its weight, and all are added: that is what “{name}”
            takes from the sentence with this head.
          </li>
        </ol>
        <p>
          Feel what scaling is for: the slider divides the scores by less or more than √{width}. Cold, and one token takes
          all, as it would without step 2. Hot, and everybody gets nearly the same, and the row says nothing. The factor is
          called <em>temperature</em>; at 1 it is the model’s own row.
        </p>
      </div>
      <Figure
        name="blend"
        caption={
          <>
            One row of layer {head.layer}, head {head.head}, computed on this page from the recorded queries, keys and
            values. The last line of the figure is the sum of all values by their weights
            {temperature === 1 ? ", which the model passes on" : "; at another temperature the model would pass on another"}.
          </>
        }
      >
        <TokenPicker {...props} label="Who looks" />
        <HeadPicker {...props} />
        <label class="slider">
          <span>
            temperature <output class="figure">{temperature.toFixed(2)}</output>
          </span>
          <input
            type="range"
            min={-SPAN}
            max={SPAN}
            step={0.05}
            value={heat}
            data-testid="temperature"
            onInput={(event) => setHeat(Number(event.currentTarget.value))}
          />
          <button class="chip" onClick={() => setHeat(0)}>
            1
          </button>
        </label>
        <div class="table-scroll" tabIndex={0} role="region" aria-label="The row, step by step">
          <table class="rows stepwise" data-testid="steps-table">
            <thead>
              <tr>
                <th scope="col">key of</th>
                <th scope="col" class="number">
                  q·k
                </th>
                <th scope="col" class="number">
                  ÷ {temperature === 1 ? `√${width}` : print(root * temperature, 2)}
                </th>
                <th scope="col" class="number">
                  − max
                </th>
                <th scope="col" class="number">
                  e^x
                </th>
                <th scope="col" class="wide" colSpan={2}>
                  ÷ sum = weight
                </th>
              </tr>
            </thead>
            <tbody>
              {pair.tokens.map(({ piece }, key) => (
                <tr key={key} data-key={key}>
                  <th scope="row">
                    <Piece of={piece} />
                  </th>
                  <td class="number">{print(steps.dots[key], 3)}</td>
                  <td class="number">{print(steps.scores[key], 3)}</td>
                  <td class="number">{print(steps.scores[key] - steps.most, 3)}</td>
                  <td class="number">{steps.powers[key].toFixed(4)}</td>
                  <td class="wide">
                    <Bar share={steps.weights[key]} />
                  </td>
                  <td class="number" data-weight={key}>
                    {steps.weights[key].toFixed(4)}
                  </td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row" colSpan={4}>
                  sum
                </th>
                <td class="number">{steps.sum.toFixed(4)}</td>
                <td />
                <td class="number">{steps.weights.reduce((total, weight) => total + weight, 0).toFixed(4)}</td>
              </tr>
            </tfoot>
          </table>
        </div>
        <section class="block" data-testid="blended">
          <h3>
            What “{name}” takes <span class="label">the two values with the largest weights, and the sum of all</span>
          </h3>
          <Vectors
            of={[
              ...strongest.map((key) => ({
                name: plain(pair.tokens[key].piece),
                values: values.subarray(key * width, (key + 1) * width),
              })),
              { name: "sum", values: blend },
            ]}
          />
        </section>
      </Figure>
    </>
  );
}

/** Every step of one row, at a temperature that divides its scores. */
function stepsOf(neuron: Neuron, query: number, temperature: number) {
  const dots = neuron.keys.map((_, key) => termsOf(neuron, query, key).dot);
  const scores = [...rowOf(neuron, query).scores].map((score) => score / temperature);
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return { dots, scores, most, powers, sum, weights: powers.map((power) => power / sum) };
}

/** The sum of the values by their weights. */
function blended(values: Float32Array, weights: number[], width: number): Float64Array {
  const sum = new Float64Array(width);
  weights.forEach((weight, key) => {
    for (let i = 0; i < width; i++) sum[i] += weight * values[key * width + i];
  });
  return sum;
}
