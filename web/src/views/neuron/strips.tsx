/** Query, key and their product by dimension, as bars that stand up for what is positive and hang for what is not. */

import { useMemo, useState } from "preact/hooks";
import { type Neuron, print } from "../../model/neuron";
import { pairsOf, type Turned, turnsOf } from "../../model/rotation";
import { Strip } from "./strip";

/** So many contributions are named. */
const NAMED = 4;

interface Props {
  neuron: Neuron;
  query: number;
  keyIndex: number;
}

export function Strips({ neuron, query, keyIndex }: Props) {
  const { vectors, width } = neuron;
  const { q, k, q_pre, k_pre } = vectors;
  const [pointed, point] = useState<number | null>(null);
  const [turnPointed, pointTurn] = useState<number | null>(null);
  const isTurned = q_pre !== undefined && k_pre !== undefined;
  const pairs = useMemo(
    () => (q_pre && k_pre ? (pairsOf(q_pre, q, width) ?? pairsOf(k_pre, k, width)) : null),
    [vectors, width],
  );
  const of = (values: Float32Array, row: number) => values.subarray(row * width, (row + 1) * width);
  const [a, b] = [of(q, query), of(k, keyIndex)];
  const products = Float64Array.from(a, (value, i) => value * b[i]);
  const sum = products.reduce((total, product) => total + product, 0);
  const turns = pairs && turnsOf(pairs, [q_pre!, q, k_pre!, k], query, keyIndex, width);
  const share = (product: number) => `${print((product / sum) * 100, 1)} % of the sum`;
  const dimension =
    pointed !== null && pointed < width
      ? `dim ${pointed}: q ${print(a[pointed], 3)} × k ${print(b[pointed], 3)} = ${print(products[pointed], 3)}, ${share(products[pointed])}`
      : null;
  return (
    <section class="block">
      <h3>
        By dimension{" "}
        <span class="label">
          {width} each; up is positive{isTurned && "; ticks are before rotation"}
        </span>
      </h3>
      <div class="strips" onPointerLeave={() => point(null)}>
        <Strip name="q" values={a} before={isTurned ? of(q_pre, query) : undefined} pointed={pointed} onPoint={point} />
        <Strip name="k" values={b} before={isTurned ? of(k_pre, keyIndex) : undefined} pointed={pointed} onPoint={point} />
        <Strip name="q∘k" values={products} pointed={pointed} onPoint={point} />
      </div>
      <p class="readout" data-testid="neuron-dimension">
        {dimension ?? <Largest products={products} onPoint={point} />}
      </p>
      {turns && <Turns turns={turns} pointed={turnPointed} onPoint={pointTurn} />}
      <Numbers vectors={[a, b]} products={products} sum={sum} turns={turns} />
    </section>
  );
}

/** The dimensions that weigh most in the sum, whatever their sign. */
function Largest({ products, onPoint }: { products: Float64Array; onPoint: (at: number | null) => void }) {
  const largest = [...products.keys()].sort((x, y) => Math.abs(products[y]) - Math.abs(products[x])).slice(0, NAMED);
  return (
    <>
      <span class="label">largest:</span>
      {largest.map((at) => (
        <span class="key" key={at} onPointerEnter={() => onPoint(at)}>
          {at} <span class="figure">{signed(products[at])}</span>
        </span>
      ))}
    </>
  );
}

// ---- rotation -----------------------------------------------------------------------------

/** Pairs of dimensions that turn together: their part of the product after and before. */
function Turns({ turns, pointed, onPoint }: { turns: Turned[]; pointed: number | null; onPoint: (at: number | null) => void }) {
  const [after, before] = useMemo(
    () => [turns.map((turn) => turn.after), turns.map((turn) => turn.before)],
    [turns],
  );
  const turn = pointed === null ? undefined : turns[pointed];
  const change = (at: Turned) => at.after - at.before;
  const most = turns.reduce((best, one, i) => (Math.abs(change(one)) > Math.abs(change(turns[best])) ? i : best), 0);
  return (
    <div class="turns" data-testid="neuron-turns">
      <div class="strips" onPointerLeave={() => onPoint(null)}>
        <Strip name="pairs" values={after} before={before} pointed={pointed} onPoint={onPoint} />
      </div>
      <p class="readout">
        {turn ? (
          `pair ${pointed} (${turn.dimensions.join(", ")}): content ${print(turn.before, 4)}, turned by ${print(turn.angle, 3)} rad ${signed(change(turn))} = ${print(turn.after, 4)}`
        ) : (
          <>
            <span class="label">rotation by frequency; fastest first. Largest change:</span>
            <span class="key">
              pair {most} <span class="figure">{signed(change(turns[most]))}</span>
            </span>
          </>
        )}
      </p>
    </div>
  );
}

// ---- as a table ---------------------------------------------------------------------------

interface NumbersProps {
  vectors: [Float32Array, Float32Array];
  products: Float64Array;
  sum: number;
  turns: Turned[] | null;
}

function Columns({ names }: { names: string[] }) {
  return (
    <thead>
      <tr>
        {names.map((name) => (
          <th scope="col" class="number" key={name}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** The same as a table; made when it is opened. */
function Numbers({ vectors: [q, k], products, sum, turns }: NumbersProps) {
  const [open, setOpen] = useState(false);
  return (
    <details class="numbers" onToggle={(event) => setOpen(event.currentTarget.open)} data-testid="neuron-numbers">
      <summary>all {q.length} dimensions as a table</summary>
      {open && (
        <div class="tables">
          <table>
            <Columns names={["dim", "q", "k", "q∘k", "share"]} />
            <tbody>
              {Array.from(products, (product, i) => (
                <tr key={i}>
                  <th scope="row" class="number">
                    {i}
                  </th>
                  <td class="number">{print(q[i], 5)}</td>
                  <td class="number">{print(k[i], 5)}</td>
                  <td class="number">{print(product, 5)}</td>
                  <td class="number">{print((product / sum) * 100, 1)} %</td>
                </tr>
              ))}
            </tbody>
          </table>
          {turns && (
            <table>
              <Columns names={["pair", "dims", "content", "angle, rad", "rotated"]} />
              <tbody>
                {turns.map(({ dimensions, before, after, angle }, i) => (
                  <tr key={i}>
                    <th scope="row" class="number">
                      {i}
                    </th>
                    <td class="number">{dimensions.join(", ")}</td>
                    <td class="number">{print(before, 5)}</td>
                    <td class="number">{print(angle, 4)}</td>
                    <td class="number">{print(after, 5)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      )}
    </details>
  );
}

function signed(value: number): string {
  const text = print(value, 2);
  return text.startsWith("−") ? text : `+${text}`;
}
