/** The line at the bottom: how the numbers were made, and the keys. */

import type { Trace } from "../model/trace";

/** Why weights are not the model's to the last digit. */
const OF_A_PAGE = "This page carries numbers with a byte each, to stay small.";
const OF_THE_APP =
  "The weights of a long text come in 16 bits. Those of the token that is looked at come with all digits.";

export function Footer({ trace, within }: { trace: Trace; within: string | null }) {
  const { source, target, tracedMs, card } = trace;
  return (
    <footer class="footer">
      <p data-testid="numerics">
        <span>
          {source.tokens.length} tokens{target && ` and ${target.tokens.length} of the target`}
        </span>
        {tracedMs !== null && (
          <span>traced in {tracedMs < 10 ? tracedMs.toFixed(1) : Math.round(tracedMs)} ms</span>
        )}
        <span>
          {card.kernel ? `${card.dtype} weights, ${card.kernel} arithmetic` : `weights given as ${card.dtype}`}
        </span>
        {card.row_sum_error !== null && (
          <span>largest |row sum − 1| {exponential(card.row_sum_error)}</span>
        )}
        {within && (
          <span title={trace.weightsWithin ? OF_A_PAGE : OF_THE_APP}>
            weights within {exponential(Number(within))} of the model’s
          </span>
        )}
      </p>
      <p class="keys" aria-hidden="true">
        <span>
          <kbd>←</kbd> <kbd>→</kbd> head
        </span>
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> layer
        </span>
        <span>
          <kbd>j</kbd> <kbd>k</kbd> token
        </span>
        <span>
          <kbd>?</kbd> keys
        </span>
      </p>
    </footer>
  );
}

/** A small number, with a sign for minus that is as wide as a digit. */
export function exponential(value: number): string {
  return value === 0 ? "0" : value.toExponential(1).replace("-", "−");
}
