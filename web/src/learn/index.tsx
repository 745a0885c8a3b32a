/** The lesson, for the app and for a file; in a file the workbench is another side of the same page. */

import { render as draw } from "preact";
import { Comparison } from "../compare";
import { styles } from "../styles";
import { keepLink } from "../link";
import { App } from "../parts/app";
import { Session } from "../session";
import { CHAPTERS } from "./chapters";
import { Frame } from "./frame";
import css from "./learn.css?inline";
import { Lesson } from "./lesson";
import { isWorkbench, type Sentences, toLink } from "./place";
import { SceneHost, type Scenes } from "./scene";
import { AppSource, PageSource } from "./sources";

interface Syllabus {
  sentences: Sentences;
  pieces: Record<string, string>;
}

function mount(host: HTMLElement): void {
  const { sentences, pieces }: Syllabus = JSON.parse(host.dataset.syllabus!);
  const { scenes } = host.dataset;
  const inApp = scenes === undefined;
  const source = inApp ? new AppSource() : new PageSource(scenes.split(" "), pieces);
  host.toggleAttribute("data-full", true);
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`${styles}\n${css}`);
  root.adoptedStyleSheets = [sheet];

  const lesson = new Lesson(source, sentences, CHAPTERS.length, isWorkbench(location.hash) ? "" : location.hash);
  const showLesson = () => {
    draw(<Frame lesson={lesson} host={host} workbench={inApp ? "/" : ""} />, root);
    return keepPlace(lesson);
  };
  let side: { isWorkbench: boolean; leave: () => void } | null = null;
  const route = () => {
    const wanted = !inApp && isWorkbench(location.hash);
    if (side?.isWorkbench === wanted) return; // what is shown reads the address itself
    side?.leave();
    if (side && !wanted) lesson.open(location.hash);
    side = { isWorkbench: wanted, leave: wanted ? showWorkbench(lesson, host, root) : showLesson() };
  };
  addEventListener("popstate", route);
  route();
}

/** The workbench on the pair, as soon as that is there; returns what takes it away again. */
function showWorkbench(lesson: Lesson, host: HTMLElement, root: ShadowRoot): () => void {
  let leave = () => {};
  const open = (scenes: Scenes | null) => {
    if (!scenes) return;
    leave();
    const session = new Session(new SceneHost(scenes.pair, {}, { lesson: "" }), location.hash);
    const comparison = new Comparison(session, null);
    draw(<App session={session} comparison={comparison} host={host} />, root);
    const forget = keepLink(session, comparison);
    leave = () => {
      forget();
      session.close();
    };
  };
  const stop = lesson.scenes.subscribe(open);
  open(lesson.scenes.value);
  return () => {
    stop();
    leave();
  };
}

/** Keeps the address bar and the place in the lesson the same. */
function keepPlace(lesson: Lesson): () => void {
  let chapter = lesson.place.value.chapter;
  const write = () => {
    const link = toLink(lesson.place.value, lesson.source.editable ? lesson.texts.value : null);
    if (link === location.hash) return;
    const turned = lesson.place.value.chapter !== chapter;
    chapter = lesson.place.value.chapter;
    if (turned) history.pushState(null, "", link);
    else history.replaceState(null, "", link);
  };
  const read = () => {
    if (isWorkbench(location.hash)) return;
    lesson.open(location.hash);
    chapter = lesson.place.value.chapter;
  };
  write();
  const stops = [lesson.place.subscribe(write), lesson.scenes.subscribe(write)];
  addEventListener("popstate", read);
  return () => {
    stops.forEach((stop) => stop());
    removeEventListener("popstate", read);
  };
}

for (const host of document.querySelectorAll<HTMLElement>('main[data-headscope="lesson"]')) mount(host);
