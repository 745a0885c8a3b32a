/** The line at the bottom: how the numbers were made, and the keys. */

import type { Trace } from "../model/trace";

export function Footer({ trace }: { trace: Trace }) {
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
        {trace.weightsWithin && (
          <span title="This page carries numbers with a byte each, to stay small.">
            weights within {exponential(Number(trace.weightsWithin))} of the model’s
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

function exponential(value: number): string {
  return value === 0 ? "0" : value.toExponential(1).replace("-", "−");
}
