/** One head on two texts: its metrics beside each other, and the heads that differ most. */

import { useMemo } from "preact/hooks";
import { useCell } from "../cell";
import { allHeads, type HeadId, headName, metricOf, partAt, sameHead, type Trace } from "../model/trace";
import type { Picture } from "../picture";
import type { Session } from "../session";
import { isolate } from "../state";
import { Group } from "./group";

/** Heads listed as those that differ most. */
const LISTED = 4;

export function Difference({ session, other, picture }: { session: Session; other: Session; picture: Picture }) {
  const shown = useCell(other.shown);
  useCell(other.arrivals);
  const { trace, heads, focused, raw, part } = picture;
  const id = heads[focused];
  const most = useMemo(() => (shown ? mostDifferent(shown.trace, trace, id) : []), [shown, trace, id.layer]);
  if (!shown) return null;
  const there = shown.pattern(id);
  const isSameLength = there?.length === raw[focused].length;
  return (
    <Group title="Beside the other text" value="other · this">
      <dl class="metrics" data-testid="difference">
        {trace.metrics.map(({ key, label, about }, metric) => {
          const [before, now] = [metricOf(shown.trace, metric, id), metricOf(trace, metric, id)];
          if (Number.isNaN(before) && Number.isNaN(now)) return null;
          return (
            <div key={key} title={about} data-metric={key}>
              <dt>{label}</dt>
              <dd>
                <span class="figure">{figure(before)}</span>
                <span class="figure">{figure(now)}</span>
                <span class="rank">{signed(now - before)}</span>
              </dd>
            </div>
          );
        })}
        {there && isSameLength && (
          <div title="Half the sum of |difference| over a row, in the mean: 0 when the rows are equal, 1 when they share nothing">
            <dt>rows apart, by place</dt>
            <dd>
              <span class="figure">{variation(there, raw[focused], part.keys.length).toFixed(2)}</span>
            </dd>
          </div>
        )}
      </dl>
      <p class="caution">
        Heads that differ most:{" "}
        {most.map(({ id, apart }) => (
          <button
            class="chip"
            key={headName(trace, id)}
            aria-pressed={heads.some((drawn) => sameHead(drawn, id))}
            title={`its shares differ by ${apart.toFixed(2)} in all`}
            onClick={() => session.update((state) => isolate(state, id))}
          >
            {headName(trace, id)} <span class="figure">{apart.toFixed(2)}</span>
          </button>
        ))}
      </p>
    </Group>
  );
}

/** Heads by how far their shares of the weight (metrics without a unit) are apart on two texts. */
export function mostDifferent(before: Trace, now: Trace, of: HeadId): { id: HeadId; apart: number }[] {
  if (before.layers !== now.layers || before.heads !== now.heads) return [];
  const shares = now.metrics.flatMap(({ unit }, metric) => (unit === "" ? [metric] : []));
  const apartOf = (id: HeadId) =>
    shares.reduce((sum, metric) => sum + (Math.abs(metricOf(before, metric, id) - metricOf(now, metric, id)) || 0), 0);
  return allHeads(partAt(now, of.layer))
    .map((id) => ({ id, apart: apartOf(id) }))
    .sort((a, b) => b.apart - a.apart)
    .slice(0, LISTED);
}

/** The mean total variation of two patterns' rows, from 0 to 1. */
export function variation(a: Float32Array, b: Float32Array, keys: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / 2 / (a.length / keys);
}

function figure(value: number): string {
  return Number.isNaN(value) ? "–" : value.toFixed(2);
}

function signed(value: number): string {
  if (Number.isNaN(value)) return "";
  return Math.abs(value) < 0.005 ? "0.00" : (value > 0 ? "+" : "−") + Math.abs(value).toFixed(2);
}
