/** Chapter 1: a text is cut into pieces, and each piece is a number. */

import { useEffect, useState } from "preact/hooks";
import { useCell } from "../../cell";
import { plain } from "../../model/piece";
import type { Token } from "../../model/trace";
import { Piece } from "../../parts/piece";
import type { ChapterProps } from ".";
import { Chips } from "../figures/chips";
import { Figure, Live } from "../figures/figure";
import type { Lesson } from "../lesson";

/** The id that this chapter begins to look up. */
const ASKED = 3323;

export function Tokens({ lesson, scenes: { pair } }: ChapterProps) {
  const { tokens } = pair;
  const word = tokens.find(({ piece }) => piece === "sat") ?? tokens.find(({ special }) => !special)!;
  const [first, last] = [tokens[0], tokens[tokens.length - 1]];
  return (
    <>
      <div class="prose">
        <p>
          A language model does not read letters. Before anything else, a text is cut into pieces from a fixed list, the{" "}
          <em>vocabulary</em>, and each piece is replaced by its number in that list, its <em>id</em>. A piece with its
          id is a <em>token</em>. The program that cuts is the <em>tokenizer</em>.
        </p>
        <p>
          {lesson.source.editable ? (
            "Change a sentence at the top of the page: this figure follows as you type, and so do those of all chapters."
          ) : (
            <>
              This page carries one run; <code>headscope learn</code> lets you change the sentences at the top.
            </>
          )}{" "}
          A common word is one token. A rare one is put together from several, and an arc before a piece then says that
          it continues the one to its left.
        </p>
        {first.special && (
          <p>
            Some tokens were not typed. <Name of={first} /> opens every text
            {last.special && last.piece !== first.piece && (
              <>
                , and <Name of={last} /> ends each sentence
              </>
            )}
            . They are called <em>special</em>. The model saw them in every text that it learned from, and in chapter 7
            we will see that it makes much use of them.
          </p>
        )}
        <p>
          Numbers are worth checking. Here “{plain(word.piece)}” is <Live of="word">{word.id}</Live>. A lesson that is
          passed around prints {ASKED} for “sat”. Look up what that really is. Ids have no order that means anything: a
          wrong one is not nearly right, it is another word.
        </p>
      </div>
      <Figure
        name="tokens"
        caption={
          <>
            What the tokenizer of {pair.trace.card.id} makes of the two sentences: {tokens.length} tokens. Below each
            piece is its id. The line tells sentence A from sentence B, which the model is told too, as the token’s{" "}
            <em>segment</em>: 0 or 1.
          </>
        }
      >
        <Chips label="Tokens with their ids" tokens={tokens} under={({ id }) => id} />
        {lesson.source.editable && <Examples lesson={lesson} />}
        <Lookup lesson={lesson} />
      </Figure>
    </>
  );
}

function Name({ of }: { of: Token }) {
  return (
    <strong class="nowrap">
      <Piece of={of.piece} />
    </strong>
  );
}

/** Sentences that are cut in a way worth seeing. */
const EXAMPLES = ["The unbelievable zebra", "It’s 9:41, Zoë!", "electroencephalography", "東京 is Tokyo"];

function Examples({ lesson }: { lesson: Lesson }) {
  const { pair } = useCell(lesson.texts);
  return (
    <div class="choices" role="group" aria-label="Put in place of sentence A">
      <span class="label">sentence A:</span>
      {EXAMPLES.map((text) => (
        <button
          key={text}
          aria-pressed={pair[0] === text}
          onClick={() => lesson.edit({ ...lesson.texts.value, pair: [text, pair[1]] }, 0)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

/** Asks the vocabulary what an id stands for. */
function Lookup({ lesson }: { lesson: Lesson }) {
  const [id, setId] = useState(String(ASKED));
  const [found, setFound] = useState<string | null | undefined>(undefined);
  useEffect(() => {
    let current = true;
    if (!/^\d{1,9}$/.test(id)) return setFound(undefined);
    lesson.source.piece(Number(id)).then(
      (piece) => current && setFound(piece),
      () => current && setFound(undefined),
    );
    return () => {
      current = false;
    };
  }, [id]);
  return (
    <p class="lookup">
      <label>
        The vocabulary’s entry{" "}
        {lesson.source.editable ? (
          <input
            inputMode="numeric"
            maxLength={9}
            value={id}
            data-testid="lookup-id"
            onInput={(event) => setId(event.currentTarget.value.trim())}
          />
        ) : (
          <strong class="figure">{id}</strong>
        )}
      </label>{" "}
      is{" "}
      <output data-testid="lookup-piece" aria-live="polite">
        {found === undefined ? "…" : found === null ? "not in the list" : <>“<Piece of={found} />”</>}
      </output>
    </p>
  );
}
