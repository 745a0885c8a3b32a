/** Where a head stands among all heads, metric by metric. */

import { allHeads, type HeadId, type Metric, metricOf, partAt, type Trace } from "../model/trace";

export interface Standing {
  metric: Metric;
  index: number;
  value: number;
  /** 1 for the highest value of all heads of its part. */
  rank: number;
  /** Of all heads of its part. */
  values: number[];
}

/** A head's standings, in the order of the metrics; those that say nothing here are left out. */
export function standings(trace: Trace, id: HeadId): Standing[] {
  const all = allHeads(partAt(trace, id.layer));
  return trace.metrics.flatMap((metric, index) => {
    const values = all.map((other) => metricOf(trace, index, other));
    const value = metricOf(trace, index, id);
    if (Number.isNaN(value) || !values.some((other) => other > 0)) return [];
    return [
      {
        metric,
        index,
        value,
        rank: 1 + values.filter((other) => other > value).length,
        values,
      },
    ];
  });
}

/** A head's standings, its best first. */
export function byRank(trace: Trace, id: HeadId): Standing[] {
  return standings(trace, id).sort((a, b) => a.rank - b.rank);
}

export function ordinal(rank: number): string {
  const tens = rank % 100;
  const ending = tens > 10 && tens < 14 ? "th" : (["th", "st", "nd", "rd"][rank % 10] ?? "th");
  return `${rank}${ending}`;
}
