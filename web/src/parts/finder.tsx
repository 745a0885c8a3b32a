/** Find a head: for each metric, the heads with the highest values. */

import { useMemo } from "preact/hooks";
import { headName, headsBy, headTitle, metricOf, type Part, sameHead, type Trace } from "../model/trace";
import { useCell } from "../cell";
import type { Session } from "../session";
import { isolate, toggle } from "../state";
import { standings } from "./rank";

const SHOWN = 3;

export function Finder({ session, trace, part }: { session: Session; trace: Trace; part: Part }) {
  const { heads } = useCell(session.state);
  const metrics = useMemo(() => standings(trace, { layer: part.layers[0], head: 0 }), [trace, part]);
  return (
    <section class="finder" aria-label="Find a head">
      <h2>Find a head</h2>
      <dl>
        {metrics.map(({ metric, index }) => (
          <div key={metric.key} title={metric.about} data-testid={`find-${metric.key}`}>
            <dt>{metric.label}</dt>
            <dd>
              {headsBy(trace, part, index)
                .slice(0, SHOWN)
                .map((id) => (
                  <button
                    key={headName(trace, id)}
                    class="chip"
                    aria-pressed={heads.some((drawn) => sameHead(drawn, id))}
                    title={headTitle(trace, id)}
                    onClick={(event) =>
                      session.update((state) => (event.shiftKey ? toggle(state, id) : isolate(state, id)))
                    }
                  >
                    {headName(trace, id)} <span class="figure">{metricOf(trace, index, id).toFixed(2)}</span>
                  </button>
                ))}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
