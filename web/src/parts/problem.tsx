/** What went wrong, and how to go on. */

import type { Problem } from "../model/host";

/** What went wrong, in one line, over the picture that still stands. */
export function ProblemLine({ problem, onDismiss }: { problem: Problem; onDismiss: () => void }) {
  return (
    <div class="problem" role="alert" data-testid="problem">
      <p>
        <strong>{sentence(problem.message)}</strong> {sentence(problem.help)}
      </p>
      <button class="icon" aria-label="Dismiss" onClick={onDismiss}>
        ×
      </button>
    </div>
  );
}

/** A message as a sentence, whoever wrote it. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}
