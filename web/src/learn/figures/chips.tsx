/** Tokens in a row: to read, or to choose one. */

import type { ComponentChildren } from "preact";
import { plain } from "../../model/piece";
import type { Token } from "../../model/trace";
import { Piece } from "../../parts/piece";

interface Props {
  label: string;
  tokens: Token[];
  chosen?: number;
  onChoose?: (index: number) => void;
  /** What stands below a piece. */
  under?: (token: Token, index: number) => ComponentChildren;
}

export function Chips({ label, tokens, chosen, onChoose, under }: Props) {
  return (
    <ol class="chips" aria-label={label}>
      {tokens.map((token, i) => {
        const body = (
          <>
            <Piece of={token.piece} />
            {under && <span class="under">{under(token, i)}</span>}
          </>
        );
        return (
          <li key={i} data-segment={token.segment} data-special={token.special} data-mask={token.mask}>
            {onChoose ? (
              <button
                aria-pressed={i === chosen}
                aria-label={`${plain(token.piece)}, token ${i}`}
                data-token={i}
                onClick={() => onChoose(i)}
              >
                {body}
              </button>
            ) : (
              <span data-token={i}>{body}</span>
            )}
          </li>
        );
      })}
    </ol>
  );
}
