/** Where a reader is in the lesson, and how that is written in a link. */

import type { HeadId } from "../model/trace";
import { type Theme, THEMES } from "../state";

export interface Sentences {
  pair: [string, string];
  senses: [string, string];
}

export interface Place {
  /** From 1. */
  chapter: number;
  /** The head that chapters look into; null for the one that they choose. */
  head: HeadId | null;
  /** The token that looks; null for the one that they choose. */
  query: number | null;
  theme: Theme;
}

export const START: Place = { chapter: 1, head: null, query: null, theme: "auto" };

/** `texts` are left out where they cannot be changed. */
export function toLink({ chapter, head, query, theme }: Place, texts: Sentences | null): string {
  const link = new URLSearchParams({ chapter: String(chapter) });
  if (head) link.set("head", `${head.layer}.${head.head}`);
  if (query !== null) link.set("query", String(query));
  if (theme !== "auto") link.set("theme", theme);
  if (texts) {
    const all = [...texts.pair, ...texts.senses];
    all.forEach((text, i) => link.set("abcd"[i], text));
  }
  return `#${link}`;
}

/** What a link says; what it leaves out is as in `usual`. */
export function fromLink(hash: string, chapters: number, usual: Sentences): { place: Place; texts: Sentences } {
  const link = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name: string) => {
    const text = link.get(name);
    return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
  };
  const chapter = Math.min(Math.max(number("chapter") ?? START.chapter, 1), chapters);
  const head = /^(\d{1,6})\.(\d{1,6})$/.exec(link.get("head") ?? "");
  const theme = THEMES.find((known) => known === link.get("theme")) ?? START.theme;
  const text = (name: string, otherwise: string) => link.get(name) ?? otherwise;
  return {
    place: {
      chapter,
      head: head && { layer: Number(head[1]), head: Number(head[2]) },
      query: number("query"),
      theme,
    },
    texts: {
      pair: [text("a", usual.pair[0]), text("b", usual.pair[1])],
      senses: [text("c", usual.senses[0]), text("d", usual.senses[1])],
    },
  };
}

/** Whether a link is one of the workbench's. */
export function isWorkbench(hash: string): boolean {
  return /[#&]head=/.test(hash) && !/[#&]chapter=/.test(hash);
}
