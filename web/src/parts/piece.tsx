import { runsOf } from "../model/piece";

/** A piece as text: kept apart from its surroundings' direction, invisible characters as signs. */
export function Piece({ of }: { of: string }) {
  return (
    <bdi class="piece">
      {runsOf(of).map(({ text, as }) =>
        as === "text" ? text : as === "join" ? <JoinMark text={text} /> : <span class="sign">{text}</span>,
      )}
    </bdi>
  );
}

/** An arc to the piece before; `##` stays in the text for those who copy or listen. */
function JoinMark({ text }: { text: string }) {
  return (
    <span class="join">
      <span class="unseen">{text}</span>
    </span>
  );
}
