/** The token table: every token as the model got it. It is the head view's alternative for readers of tables. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { useCell } from "../cell";
import { spanText } from "../model/trace";
import { Piece } from "../parts/piece";
import type { Picture } from "../picture";
import type { Session } from "../session";
import { pin } from "../state";

export function TokensView({ session, picture }: { session: Session; picture: Picture }) {
  const { trace } = picture;
  const { focus } = useCell(session.state);
  const pinned = focus.query ?? focus.key;
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
        <tbody>
          {trace.tokens.map((token, index) => {
            const text = spanText(trace, token);
            return (
              <tr
                key={index}
                ref={index === pinned ? row : undefined}
                class={token.special ? "special" : undefined}
                aria-selected={index === pinned}
                onClick={() => session.update((state) => pin(state, "query", index))}
              >
                <td class="number">{index}</td>
                <th scope="row">
                  <Piece of={token.piece} />
                </th>
                <td class="number">{token.id}</td>
                <td>{text === null ? <span class="none">none</span> : <Piece of={text} />}</td>
                <td class="number">{token.span ? `${token.span[0]}–${token.span[1]}` : ""}</td>
                <td>{"AB"[token.segment] ?? token.segment}</td>
                <td>{token.mask ? "attended" : "padding"}</td>
                <td>{token.special ? "special" : ""}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
