/** The middle of the workbench: the tabs, the switches, and the view. */

import type { JSX } from "preact";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { useCell } from "../cell";
import { headInk, type Palette } from "../colours";
import { GRAINS } from "../model/grain";
import { FLOWS, isPair, KEEPS } from "../model/measure";
import { headName, headTitle } from "../model/trace";
import { apart, type Picture } from "../picture";
import type { Session } from "../session";
import {
  after,
  bringForward,
  enterPart,
  isolate,
  LAYS,
  SCALES,
  show,
  SPECIALS,
  type State,
  toggle,
  TOPS,
  type View,
  VIEWS,
} from "../state";
import { markFirstPicture } from "./first-picture";
import { ImagePanel } from "./image";
import { HeadView } from "../views/head";
import { MatrixView } from "../views/matrix";
import { otherHead, sameHeadOf, type Taken } from "../views/matrix/difference";
import { ModelView } from "../views/model";
import { TextView } from "../views/text";
import { NeuronView } from "../views/neuron";
import { TokensView } from "../views/tokens";
import { Steps } from "./steps";
import { usePicture } from "./use-picture";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
}

/** The views, and whether the switches above them say what is drawn. */
const STAGES: Record<View, { Body: (props: Props) => JSX.Element; switches: boolean }> = {
  head: { Body: HeadView, switches: true },
  matrix: { Body: MatrixView, switches: true },
  text: { Body: TextView, switches: true },
  model: { Body: ModelView, switches: false },
  neuron: { Body: NeuronView, switches: false },
  tokens: { Body: TokensView, switches: false },
};

/** The views that can show heads beside each other, and how many of them have room. */
const ABREAST: ReadonlySet<View> = new Set(["head", "matrix", "text"]);
const MOST_ABREAST = 4;

export function Stage({ other, ...props }: Props & { other: Session | null }) {
  const { session } = props;
  const state = useCell(session.state);
  const { Body, switches } = STAGES[state.view];
  const { picture } = props;
  const beside = useMemo(
    () => (ABREAST.has(state.view) && state.lay === "beside" && picture.heads.length > 1 ? apart(picture).slice(0, MOST_ABREAST) : null),
    [picture, state.view, state.lay],
  );
  const there = usePicture(ABREAST.has(state.view) ? other : null);
  const taken = useMemo(() => takenFrom(state, picture, there), [state.view, state.lay, picture, there]);
  useLayoutEffect(markFirstPicture, []); // the views have painted by then: their effects come before
  return (
    <section class="stage" aria-label="Stage">
      <div class="tabs" role="group" aria-label="View">
        {VIEWS.map(({ key, label }) => (
          <button
            key={key}
            aria-pressed={state.view === key}
            data-testid={`view-${key}`}
            onClick={() => session.update((now) => show(now, { view: key }, props.picture.trace))}
          >
            {label}
          </button>
        ))}
      </div>
      {props.picture.trace.parts[0].key !== "only" && <Parts {...props} />}
      {switches && (
        <>
          <Switches {...props} state={state} other={there} />
          {props.picture.heads.length > 1 && <Legend {...props} means={state.view === "head"} />}
          <Steps session={session} trace={props.picture.trace} />
          {props.picture.trace.image && <ImagePanel {...props} />}
        </>
      )}
      <div class="view" data-picture>
        {taken ? (
          <MatrixView {...props} taken={taken} />
        ) : other && ABREAST.has(state.view) ? (
          <>
            {there && <Column {...props} session={other} picture={there} title={textsOf(there)} Body={Body} />}
            <Column {...props} title={textsOf(picture)} Body={Body} />
          </>
        ) : beside ? (
          beside.map((picture) => {
            const title = headTitle(picture.trace, picture.heads[0]);
            return <Column key={title} {...props} picture={picture} title={title} Body={Body} />;
          })
        ) : (
          <Body {...props} />
        )}
      </div>
    </section>
  );
}

type ColumnProps = Props & { title: string; Body: (props: Props) => JSX.Element };

/** One of several heads, or of two texts, that are drawn beside each other. */
function Column({ title, Body, ...props }: ColumnProps) {
  return (
    <section class="beside" data-testid="beside" aria-label={title}>
      <div class="whose">{title}</div>
      <Body {...props} />
    </section>
  );
}

/** What the matrix view takes from a head's weights, if a difference is what it shows. */
function takenFrom({ view, lay }: State, picture: Picture, there: Picture | null): Taken | null {
  if (view !== "matrix" || lay !== "difference") return null;
  return there ? sameHeadOf(there, picture) : otherHead(picture);
}

function textsOf({ trace }: Picture): string {
  return trace.texts.map((text) => text.slice(0, 80)).join(" / ");
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

function Switches({ session, picture, state, other }: Props & { state: State; other: Picture | null }) {
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
      {!picture.trace.image && (
        <div class="choices">
          <span class="label" id="grain-label">
            tokens
          </span>
          <button
            class="chip"
            aria-describedby="grain-label"
            data-testid="grain"
            title="What has a row: pieces, or the words or sentences that they join to (w)"
            onClick={() =>
              session.update((now) => show(now, { grain: after(GRAINS, now.grain) }, picture.trace))
            }
          >
            {state.grain}
          </button>
        </div>
      )}
      <select
        aria-label="Which edges are drawn"
        data-testid="keep"
        value={state.keep}
        onChange={(event) => set({ keep: event.currentTarget.value as State["keep"] })}
      >
        {KEEPS.map(({ key, label }) => (
          <option key={key} value={key}>
            {label}
          </option>
        ))}
      </select>
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
      {other && state.view === "matrix" && (
        <div class="choices">
          <span class="label" id="texts-label">
            texts
          </span>
          {sameHeadOf(other, picture) ? (
            <button
              class="chip"
              aria-describedby="texts-label"
              data-testid="texts-lay"
              title="Both texts' weights, or this text's less the other's, place by place"
              onClick={() => set({ lay: state.lay === "difference" ? "over" : "difference" })}
            >
              {state.lay === "difference" ? "difference" : "beside each other"}
            </button>
          ) : (
            <span class="label" data-testid="no-difference">
              of different lengths: no difference by place
            </span>
          )}
        </div>
      )}
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
    state.keep !== "all" && `the edges drawn have ${percent(picture.strongest)} of the weight`,
    state.grain !== "pieces" &&
      `${state.grain}: the mean of what their pieces look at, the sum of what they are looked at`,
  ].filter(Boolean);
  return (
    <p class="note" data-testid="note" aria-live="polite">
      {notes.join(" · ")}
    </p>
  );
}

/** How several heads can be drawn in a view. */
function laysOf({ view }: State, { heads }: Picture): readonly State["lay"][] {
  return view === "matrix" && heads.length === 2 ? LAYS : LAYS.filter((lay) => lay !== "difference");
}

function Legend({ session, picture, palette, means }: Props & { means: boolean }) {
  const state = useCell(session.state);
  const lays = laysOf(state, picture);
  const lay = lays.includes(state.lay) ? state.lay : "over";
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
      {ABREAST.has(state.view) && (
        <button
          class="chip"
          data-testid="lay"
          title={`Up to ${MOST_ABREAST} heads beside each other, or ${state.view === "matrix" ? "one, or of two their difference" : "all over each other"}`}
          onClick={() => session.update((now) => ({ ...now, lay: after(lays, lay) }))}
        >
          {lay === "over" && state.view === "matrix" ? "one of them" : LAY_LABELS[lay]}
        </button>
      )}
      <span class="label">
        {lay !== "beside" || !ABREAST.has(state.view)
          ? means && "numbers are means over these heads"
          : picture.heads.length > MOST_ABREAST && `the first ${MOST_ABREAST} are shown`}
      </span>
    </div>
  );
}

const LAY_LABELS: Record<State["lay"], string> = {
  over: "over each other",
  beside: "beside each other",
  difference: "difference",
};

function flowLabel(flow: State["flow"]): string {
  return FLOWS.find(({ key }) => key === flow)!.label;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
