/** What the model wrote, a step at a time: a slider over the tokens behind the prompt. */

import { useCell } from "../cell";
import { type Trace, writtenTokens } from "../model/trace";
import type { Session } from "../session";
import { lastShown, showUpTo } from "../state";
import { percent } from "./percent";
import { Piece } from "./piece";

export function Steps({ session, trace }: { session: Session; trace: Trace }) {
  const state = useCell(session.state);
  if (trace.prompt === null) return null;
  const tokens = writtenTokens(trace);
  const last = lastShown(state, tokens);
  const written = last + 1 - trace.prompt;
  const prediction = trace.predictions.get(last);
  const go = (shown: number) => session.update((now) => showUpTo(now, shown, trace));
  return (
    <div class="steps" data-testid="steps">
      <label class="label" for="written">
        written
      </label>
      <button class="chip" aria-label="One token less" onClick={() => go(last)}>
        ‹
      </button>
      <input
        id="written"
        type="range"
        min={trace.prompt}
        max={tokens.length}
        value={last + 1}
        aria-valuetext={`${written} of ${tokens.length - trace.prompt} tokens`}
        onInput={(event) => go(Number(event.currentTarget.value))}
      />
      <button class="chip" aria-label="One token more" onClick={() => go(last + 2)}>
        ›
      </button>
      <span class="figure" data-testid="written">
        {written} of {tokens.length - trace.prompt}
      </span>
      {written > 0 && (
        <span class="latest">
          <Piece of={tokens[last].piece} />
          {prediction?.probability != null && (
            <span class="figure"> {percent(prediction.probability)}</span>
          )}
        </span>
      )}
    </div>
  );
}
