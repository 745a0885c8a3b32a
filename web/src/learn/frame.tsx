/** The lesson as a page: its bar, the list of chapters, and the chapter that is read. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useCell } from "../cell";
import { markFirstPicture } from "../parts/first-picture";
import { isTaken } from "../parts/keys";
import { ProblemLine } from "../parts/problem";
import { ThemeButton } from "../parts/theme-button";
import { usePalette } from "../parts/use-palette";
import { CHAPTERS } from "./chapters";
import { headOf } from "./choice";
import { PairEditor } from "./editors";
import type { Lesson } from "./lesson";
import { toLink } from "./place";

interface Props {
  lesson: Lesson;
  host: HTMLElement;
  /** Where the workbench is: a page of the app, or this one. */
  workbench: string;
}

export function Frame({ lesson, host, workbench }: Props) {
  const place = useCell(lesson.place);
  const scenes = useCell(lesson.scenes);
  const problem = useCell(lesson.problem);
  const palette = usePalette(host, place.theme);
  const { title, Body } = CHAPTERS[place.chapter - 1];
  const article = useRef<HTMLElement>(null);
  const first = useRef(true);
  useKeys(lesson);
  useLayoutEffect(() => {
    if (scenes) markFirstPicture();
  }, [scenes]);
  useLayoutEffect(() => {
    document.title = `${place.chapter}. ${title} · How attention works`;
    // A reader who turned the page begins at its top; one who has just come is left where they are.
    if (!first.current) article.current?.focus({ preventScroll: true });
    first.current = false;
    article.current?.scrollTo({ top: 0 });
  }, [place.chapter]);
  return (
    <div class="lesson">
      <header class="topbar">
        <h1>
          headscope <span>How attention works</span>
        </h1>
        <PairEditor lesson={lesson} />
        <div class="actions">
          <Workbench lesson={lesson} at={workbench} />
          <ThemeButton theme={place.theme} onChange={(theme) => lesson.go({ theme })} />
        </div>
      </header>
      {problem && scenes && <ProblemLine problem={problem} onDismiss={() => lesson.problem.set(null)} />}
      <div class="reading">
        <Contents lesson={lesson} chapter={place.chapter} />
        <article ref={article} tabIndex={-1} aria-labelledby="chapter-title" data-testid="chapter">
          <h2 id="chapter-title">
            <span class="count">
              {place.chapter}
              <span class="unseen">. </span>
            </span>{" "}
            {title}
          </h2>
          {scenes ? (
            <div class="spread">
              <Body key={place.chapter} lesson={lesson} scenes={scenes} place={place} palette={palette} />
            </div>
          ) : (
            <p class="waiting" role={problem ? "alert" : "status"}>
              {problem ? `${problem.message} ${problem.help}` : "Running your sentences…"}
            </p>
          )}
          <Turn lesson={lesson} chapter={place.chapter} workbench={workbench} />
        </article>
      </div>
    </div>
  );
}

function linkTo(lesson: Lesson, chapter: number): string {
  return toLink({ ...lesson.place.value, chapter }, lesson.source.editable ? lesson.texts.value : null);
}

/** All chapters; on narrow screens a list to choose from. */
function Contents({ lesson, chapter }: { lesson: Lesson; chapter: number }) {
  return (
    <nav class="contents" aria-label="Chapters">
      <ol>
        {CHAPTERS.map(({ title }, i) => (
          <li key={title}>
            <a
              href={linkTo(lesson, i + 1)}
              aria-current={i + 1 === chapter ? "page" : undefined}
              data-testid={`chapter-${i + 1}`}
              onClick={(event) => follow(event, () => lesson.go({ chapter: i + 1 }))}
            >
              <span class="count">{i + 1}</span> {title}
            </a>
          </li>
        ))}
      </ol>
      <select
        aria-label="Chapter"
        value={chapter}
        onChange={(event) => lesson.go({ chapter: Number(event.currentTarget.value) })}
      >
        {CHAPTERS.map(({ title }, i) => (
          <option key={title} value={i + 1}>
            {i + 1} of {CHAPTERS.length}: {title}
          </option>
        ))}
      </select>
    </nav>
  );
}

function Turn({ lesson, chapter, workbench }: { lesson: Lesson; chapter: number; workbench: string }) {
  const page = (to: number, label: string, testid: string) => (
    <a
      class="turn"
      href={linkTo(lesson, to)}
      data-testid={testid}
      onClick={(event) => follow(event, () => lesson.go({ chapter: to }))}
    >
      <span class="label">{label}</span> {CHAPTERS[to - 1].title}
    </a>
  );
  return (
    <nav class="turns" aria-label="Previous and next chapter">
      {chapter > 1 ? page(chapter - 1, "← before (p)", "previous") : <span />}
      {chapter < CHAPTERS.length ? (
        page(chapter + 1, "next (n) →", "next")
      ) : (
        <Workbench lesson={lesson} at={workbench} label="Look around in all heads" />
      )}
    </nav>
  );
}

/** The workbench with the same sentences and head. */
function Workbench({ lesson, at, label }: { lesson: Lesson; at: string; label?: string }) {
  const texts = useCell(lesson.texts);
  const place = useCell(lesson.place);
  const scenes = useCell(lesson.scenes);
  const { layer, head } = scenes ? headOf(place, scenes) : { layer: 0, head: 0 };
  const link = new URLSearchParams({ head: `${layer}.${head}` });
  if (lesson.source.editable) texts.pair.forEach((text, i) => link.set("ab"[i], text));
  return (
    <a class={label ? "turn" : undefined} href={`${at}#${link}`} data-testid={label ? "to-workbench" : "workbench"}>
      {label && <span class="label">to the workbench →</span>} {label ?? "Workbench"}
    </a>
  );
}

/** A plain click turns the page without loading it anew; others, such as for a new tab, are the browser's. */
function follow(event: MouseEvent, go: () => void) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go();
}

function useKeys(lesson: Lesson) {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const by = event.key === "n" ? 1 : event.key === "p" ? -1 : 0;
      if (by === 0 || isTaken(event)) return;
      const chapter = Math.max(1, Math.min(CHAPTERS.length, lesson.place.value.chapter + by));
      lesson.go({ chapter });
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [lesson]);
}
