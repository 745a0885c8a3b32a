/** The sentences, editable in place where a model is there to run them. */

import { useCell } from "../cell";
import { Sentence } from "../parts/topbar";
import type { Lesson } from "./lesson";

/** Sentences A and B. */
export function PairEditor({ lesson }: { lesson: Lesson }) {
  const { pair } = useCell(lesson.texts);
  return <Fields lesson={lesson} texts={pair} roles={["Sentence A", "Sentence B"]} of="pair" letters="AB" />;
}

/** Two sentences with one word in two meanings. */
export function SensesEditor({ lesson }: { lesson: Lesson }) {
  const { senses } = useCell(lesson.texts);
  return <Fields lesson={lesson} texts={senses} roles={["First sentence", "Second sentence"]} of="senses" letters="12" />;
}

interface Fields {
  lesson: Lesson;
  texts: [string, string];
  roles: string[];
  of: "pair" | "senses";
  letters: string;
}

function Fields({ lesson, texts, roles, of, letters }: Fields) {
  const busy = useCell(lesson.busy);
  const edit = (i: number, text: string, pause?: number) => {
    const next: [string, string] = i === 0 ? [text, texts[1]] : [texts[0], text];
    lesson.edit({ ...lesson.texts.value, [of]: next }, pause);
  };
  if (!lesson.source.editable) {
    return (
      <div class="texts fixed" data-testid={`texts-${of}`}>
        {texts.map((text, i) => (
          <p class="sentence" key={i}>
            <span class="letter" aria-hidden="true">
              {letters[i]}
            </span>
            <bdi>{text}</bdi>
          </p>
        ))}
      </div>
    );
  }
  return (
    <div class="texts" data-busy={busy} data-testid={`texts-${of}`}>
      {texts.map((text, i) => (
        <Sentence
          key={i}
          name={letters[i]}
          role={{ label: roles[i], placeholder: "Type a sentence" }}
          text={text}
          autoFocus={false}
          onInput={(now) => edit(i, now)}
          onEnter={() => edit(i, text, 0)}
        />
      ))}
      <span class="running" aria-hidden="true" />
    </div>
  );
}
