/** The token table: every token as the model got it. It is the head view's alternative for readers of tables. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { useCell } from "../cell";
import { isSelf, spanText, type Text } from "../model/trace";
import { Piece } from "../parts/piece";
import type { Picture } from "../picture";
import type { Session } from "../session";
import { pin } from "../state";

/** The id of a token that was given as a piece alone. */
const UNKNOWN_ID = 0xffffffff;

export function TokensView({ session, picture }: { session: Session; picture: Picture }) {
  const { trace, part } = picture;
  const { focus } = useCell(session.state);
  const pinned = focus.query ?? focus.key;
  const textOf = (tokens: Text["tokens"]) => (tokens === trace.target?.tokens ? trace.target : trace.source);
  const groups = isSelf(part)
    ? [{ side: "query" as const, name: null, text: textOf(part.keys), pinned }]
    : [
        { side: "query" as const, name: "target", text: textOf(part.queries), pinned: focus.query },
        { side: "key" as const, name: "source", text: textOf(part.keys), pinned: focus.key },
      ];
  const row = useRef<HTMLTableRowElement>(null);
  useLayoutEffect(() => row.current?.scrollIntoView({ block: "nearest" }), [pinned]);
  return (
    <div class="scroller table" tabIndex={0} role="region" aria-label="Tokens" data-testid="tokens-view">
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              position
            </th>
            <th scope="col">piece</th>
            <th scope="col" class="number">
              id
            </th>
            <th scope="col">text</th>
            <th scope="col" class="number">
              bytes
            </th>
            <th scope="col">sentence</th>
            <th scope="col">mask</th>
            <th scope="col">special</th>
          </tr>
        </thead>
        {groups.map(({ side, name, text, pinned }) => (
          <tbody key={side}>
            {name && (
              <tr class="group">
                <th scope="rowgroup" colSpan={8}>
                  {name}
                </th>
              </tr>
            )}
            {text.tokens.map((token, index) => {
              const spelled = spanText(text, token);
              return (
                <tr
                  key={index}
                  ref={index === pinned ? row : undefined}
                  class={token.special ? "special" : undefined}
                  aria-selected={index === pinned}
                  onClick={() => session.update((state) => pin(state, side, index))}
                >
                  <td class="number">{index}</td>
                  <th scope="row">
                    <Piece of={token.piece} />
                  </th>
                  <td class="number">{token.id === UNKNOWN_ID ? "" : token.id}</td>
                  <td>{spelled === null ? <span class="none">none</span> : <Piece of={spelled} />}</td>
                  <td class="number">{token.span ? `${token.span[0]}–${token.span[1]}` : ""}</td>
                  <td>{"AB"[token.segment] ?? token.segment}</td>
                  <td>{token.mask ? "attended" : "padding"}</td>
                  <td>{token.special ? "special" : ""}</td>
                </tr>
              );
            })}
          </tbody>
        ))}
      </table>
    </div>
  );
}
