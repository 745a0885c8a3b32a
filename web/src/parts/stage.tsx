/** The middle of the workbench: the tabs, the switches, and the view. */

import type { JSX } from "preact";
import { useCell } from "../cell";
import { headInk, type Palette } from "../colours";
import { FLOWS, isPair } from "../model/measure";
import { headName, headTitle } from "../model/trace";
import type { Picture } from "../picture";
import type { Session } from "../session";
import {
  after,
  bringForward,
  enterPart,
  isolate,
  SCALES,
  SPECIALS,
  type State,
  toggle,
  TOPS,
  type View,
  VIEWS,
} from "../state";
import { ImagePanel } from "./image";
import { HeadView } from "../views/head";
import { MatrixView } from "../views/matrix";
import { TokensView } from "../views/tokens";
import { Steps } from "./steps";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
}

/** The views, and whether the switches above them say what is drawn. */
const STAGES: Record<View, { Body: (props: Props) => JSX.Element; switches: boolean }> = {
  head: { Body: HeadView, switches: true },
  matrix: { Body: MatrixView, switches: true },
  tokens: { Body: TokensView, switches: false },
};

export function Stage(props: Props) {
  const { session } = props;
  const state = useCell(session.state);
  const { Body, switches } = STAGES[state.view];
  return (
    <section class="stage" aria-label="Stage">
      <div class="tabs" role="group" aria-label="View">
        {VIEWS.map(({ key, label }) => (
          <button
            key={key}
            aria-pressed={state.view === key}
            data-testid={`view-${key}`}
            onClick={() => session.update((now) => ({ ...now, view: key }))}
          >
            {label}
          </button>
        ))}
      </div>
      {props.picture.trace.parts[0].key !== "only" && <Parts {...props} />}
      {switches && (
        <>
          <Switches {...props} state={state} />
          {props.picture.heads.length > 1 && <Legend {...props} means={state.view === "head"} />}
          <Steps session={session} trace={props.picture.trace} />
          {props.picture.trace.image && <ImagePanel {...props} />}
        </>
      )}
      <Body {...props} />
    </section>
  );
}

/** Whose attention: of the encoder, of the decoder, or between them. */
function Parts({ session, picture: { trace, part } }: Props) {
  return (
    <div class="tabs parts" role="group" aria-label="Part of the model">
      {trace.parts.map((each) => (
        <button
          key={each.key}
          aria-pressed={each.key === part.key}
          data-testid={`part-${each.key}`}
          onClick={() => session.update((now) => enterPart(now, each, trace))}
        >
          {each.label}
        </button>
      ))}
      <span class="label">{READERS[part.key]}</span>
    </div>
  );
}

const READERS = {
  only: "",
  encoder: "the source attends to itself",
  decoder: "the target attends to itself",
  cross: "the target attends to the source",
};

function Switches({ session, picture, state }: Props & { state: State }) {
  const set = (change: Partial<State>) => session.update((now) => ({ ...now, ...change }));
  return (
    <div class="switches">
      {isPair(picture.part) && (
        <div class="choices" role="group" aria-label="Edges between sentences">
          {FLOWS.map(({ key, label }) => (
            <button
              key={key}
              aria-pressed={state.flow === key}
              data-testid={`flow-${key}`}
              onClick={() => set({ flow: key })}
            >
              {label}
            </button>
          ))}
        </div>
      )}
      <div class="choices">
        <span class="label" id="special-label">
          special tokens
        </span>
        <button
          class="chip"
          aria-describedby="special-label"
          data-testid="special"
          onClick={() => set({ special: after(SPECIALS, state.special) })}
        >
          {state.special}
        </button>
      </div>
      <div class="choices scale" data-testid="scale">
        <span class="label" id="scale-label">
          weight
        </span>
        <button
          class="chip"
          aria-describedby="scale-label"
          title={
            state.top === "one"
              ? "Strongest curve: a weight of 1"
              : "Strongest curve: the largest weight shown"
          }
          onClick={() => set({ top: after(TOPS, state.top) })}
        >
          0–{state.top === "one" ? "1" : picture.scale.top.toFixed(2)}
        </button>
        <button
          class="chip"
          aria-describedby="scale-label"
          data-testid="scale-kind"
          onClick={() => set({ scale: after(SCALES, state.scale) })}
        >
          {state.scale === "sqrt" ? "√ scale" : "linear"}
        </button>
      </div>
      <Note picture={picture} state={state} />
    </div>
  );
}

/** What the switches have taken out of the picture, as numbers. */
function Note({ picture, state }: { picture: Picture; state: State }) {
  const notes = [
    state.special === "hidden" && `renormalised; ${percent(picture.removed)} of the weight removed`,
    state.flow !== "all" &&
      `${flowLabel(state.flow)} is ${percent(picture.kept)} of ${flowLabel(state.flow)[0]}’s weight`,
  ].filter(Boolean);
  return (
    <p class="note" data-testid="note" aria-live="polite">
      {notes.join(" · ")}
    </p>
  );
}

function Legend({ session, picture, palette, means }: Props & { means: boolean }) {
  return (
    <div class="legend" role="group" aria-label="Heads drawn">
      {picture.heads.map((id, i) => {
        const { colour, dashed } = headInk(i, picture.heads.length, palette);
        const name = headTitle(picture.trace, id);
        return (
          <span class="drawn" key={headName(picture.trace, id)} data-testid="drawn-head">
            <button
              class="chip"
              aria-pressed={i === picture.focused}
              title={`${name}. Click: show its numbers. Double-click: draw it alone.`}
              onClick={() => session.update((state) => bringForward(state, id))}
              onDblClick={() => session.update((state) => isolate(state, id))}
            >
              <svg width="18" height="8" aria-hidden="true">
                <path
                  d="M1 4H17"
                  stroke={colour}
                  stroke-width="3"
                  stroke-linecap="round"
                  stroke-dasharray={dashed ? "5 4" : undefined}
                />
              </svg>
              {headName(picture.trace, id)}
            </button>
            <button
              class="remove"
              aria-label={`Remove ${name}`}
              onClick={() => session.update((state) => toggle(state, id))}
            >
              ×
            </button>
          </span>
        );
      })}
      {means && <span class="label">numbers are means over these heads</span>}
    </div>
  );
}

function flowLabel(flow: State["flow"]): string {
  return FLOWS.find(({ key }) => key === flow)!.label;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
