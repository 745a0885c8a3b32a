/** The chapters, in the order in which each explains what the next one needs. */

import type { JSX } from "preact";
import type { Palette } from "../../colours";
import type { Lesson } from "../lesson";
import type { Place } from "../place";
import type { Scenes } from "../scene";
import { Blend } from "./blend";
import { Causal } from "./causal";
import { Context } from "./context";
import { Heads } from "./heads";
import { Limits } from "./limits";
import { Mask } from "./mask";
import { Roles } from "./roles";
import { Seeing } from "./seeing";
import { Tokens } from "./tokens";

export interface ChapterProps {
  lesson: Lesson;
  scenes: Scenes;
  place: Place;
  palette: Palette;
}

interface Chapter {
  title: string;
  Body: (props: ChapterProps) => JSX.Element;
}

export const CHAPTERS: readonly Chapter[] = [
  { title: "Text becomes tokens", Body: Tokens },
  { title: "The attention mask", Body: Mask },
  { title: "From embeddings to context", Body: Context },
  { title: "Query, key, value", Body: Roles },
  { title: "Score, scale, softmax, blend", Body: Blend },
  { title: "Many heads", Body: Heads },
  { title: "Seeing it", Body: Seeing },
  { title: "BERT and GPT", Body: Causal },
  { title: "What attention does not say", Body: Limits },
];
