/** The scores that a softmax sees of one query: what the chosen key competes with. */

import { type Neuron, print, type Row } from "../../model/neuron";
import { plain } from "../../model/piece";
import { Piece } from "../../parts/piece";
import { px } from "../../parts/px";

const HEIGHT = 84;
/** So many rivals are named. */
const NAMED = 4;

interface Props {
  neuron: Neuron;
  query: number;
  keyIndex: number;
  row: Row;
  onChoose: (key: number) => void;
}

export function RowChart({ neuron: { keys, queries }, query, keyIndex, row, onChoose }: Props) {
  const { scores, sink, most, sum, visible } = row;
  const seen = [...scores].filter((score) => score !== Number.NEGATIVE_INFINITY);
  const lse = most + Math.log(sum);
  const all = [0, lse, sink ?? 0, ...extremes(seen)];
  const [low, high] = extremes(all);
  const y = (value: number) => ((high - value) / (high - low || 1)) * HEIGHT;
  const bar = (key: number) => `M${key + 0.12} ${y(0)}V${y(scores[key])}h.76V${y(0)}z`;
  const visibleKeys = [...scores.keys()].filter((key) => scores[key] !== Number.NEGATIVE_INFINITY);
  const rivals = visibleKeys
    .filter((key) => key !== keyIndex)
    .sort((a, b) => scores[b] - scores[a])
    .slice(0, NAMED);
  const hidden = keys.length - visible;
  const choose = (event: MouseEvent) => {
    const { left, width } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const key = Math.floor(((event.clientX - left) / width) * keys.length);
    if (key >= 0 && key < keys.length) onChoose(key);
  };
  const name = `Scores of ${plain(queries[query].piece)} for ${visible} keys, from ${print(extremes(seen)[0], 2)} to ${print(most, 2)}; that of ${plain(keys[keyIndex].piece)} is ${print(scores[keyIndex], 2)}`;
  return (
    <section class="block">
      <h3>
        The row <span class="label">scores s of “<Piece of={queries[query].piece} />” for every key</span>
      </h3>
      <div class="chart" style={px({ height: HEIGHT })} onClick={choose} data-testid="neuron-row">
        <svg role="img" aria-label={name} viewBox={`0 0 ${keys.length} ${HEIGHT}`} preserveAspectRatio="none">
          <path class="others" d={visibleKeys.filter((key) => key !== keyIndex).map(bar).join("")} />
          {scores[keyIndex] !== Number.NEGATIVE_INFINITY && <path class="chosen" d={bar(keyIndex)} />}
          <path class="line zero" d={`M0 ${y(0)}H${keys.length}`} />
          <path class="line lse" d={`M0 ${y(lse)}H${keys.length}`} />
        </svg>
        <i class="mark" style={{ left: `${((keyIndex + 0.5) / keys.length) * 100}%` }} />
      </div>
      <p class="rivals">
        <span class="key chosen">
          <Piece of={keys[keyIndex].piece} /> <Score value={scores[keyIndex]} />
        </span>
        {rivals.map((key) => (
          <button class="key" key={key} onClick={() => onChoose(key)} title="Choose this key">
            <Piece of={keys[key].piece} /> <Score value={scores[key]} />
          </button>
        ))}
        {sink !== null && (
          <span class="key">
            sink <Score value={sink} />
          </span>
        )}
        <span class="key lse">
          <i class="dash" /> log-sum-exp <Score value={lse} />
        </span>
        {hidden > 0 && <span class="key label">{hidden} hidden by the mask</span>}
      </p>
    </section>
  );
}

function Score({ value }: { value: number }) {
  return <span class="figure">{value === Number.NEGATIVE_INFINITY ? "hidden" : print(value, 2)}</span>;
}

function extremes(values: number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return values.length ? [low, high] : [0, 0];
}
