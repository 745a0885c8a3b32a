/** What the model held likely in the place of a token. */

import { type Part, type Trace, writtenTokens } from "../model/trace";
import { Group } from "./group";
import { percent } from "./percent";
import { Piece } from "./piece";

/** Guesses listed; the trace holds some more. */
const SHOWN = 6;

export function Expected({ trace, part, index }: { trace: Trace; part: Part; index: number }) {
  const prediction = trace.predictions.get(index);
  if (!prediction || part.queries !== writtenTokens(trace)) return null;
  const { id, piece } = part.queries[index];
  const { probability, top } = prediction;
  const guesses = top.slice(0, SHOWN).map((guess) => ({ ...guess, here: probability !== null && guess.id === id }));
  const listed = probability === null || guesses.some(({ here }) => here);
  const rows = listed ? guesses : [...guesses, { id, piece, probability: probability!, here: true }];
  return (
    <Group
      title={probability === null ? "Guesses for this place" : "Expected here"}
      value={probability === null ? undefined : percent(probability)}
    >
      <ol class="edges guesses" data-testid="expected">
        {rows.map((guess) => (
          <li key={guess.id} data-here={guess.here}>
            <span class="ends">
              <Piece of={guess.piece} />
            </span>
            <span class="bar">
              <i style={{ width: `${guess.probability * 100}%` }} />
            </span>
            <span class="figure">{percent(guess.probability)}</span>
          </li>
        ))}
      </ol>
      <p class="caution">
        {probability === null
          ? "What the model would put here, by its own probability."
          : "The model’s probability for each next token, given those before."}
      </p>
    </Group>
  );
}
