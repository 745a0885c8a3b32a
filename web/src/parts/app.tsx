/** The workbench as a whole: its parts, its theme, and its keys. */

import { useEffect, useLayoutEffect, useMemo, useState } from "preact/hooks";
import { useCell } from "../cell";
import type { Comparison } from "../compare";
import { readPalette } from "../colours";
import { FLOWS, isPair } from "../model/measure";
import { GRAINS } from "../model/grain";
import { partAt, writtenTokens } from "../model/trace";
import type { Session } from "../session";
import {
  after,
  enterPart,
  lastShown,
  partOf,
  show,
  showUpTo,
  SPECIALS,
  type State,
  step,
  stepToken,
  type Theme,
  toggle,
  unpin,
  VIEWS,
} from "../state";
import { Atlas } from "./atlas";
import { Finder } from "./finder";
import { Footer } from "./footer";
import { Help } from "./help";
import { Inspector } from "./inspector";
import { isTaken, keyTarget } from "./keys";
import { Stage } from "./stage";
import { Stepper } from "./stepper";
import { TopBar } from "./topbar";
import { usePicture } from "./use-picture";

interface AppProps {
  session: Session;
  comparison: Comparison;
  host: HTMLElement;
}

export function App({ session, comparison, host }: AppProps) {
  const other = useCell(comparison.other);
  const shown = useCell(session.shown);
  const problem = useCell(session.problem);
  const { theme, view } = useCell(session.state);
  const [help, setHelp] = useState(false);
  const [folded, setFolded] = useState(true);
  const palette = usePalette(host, theme);
  const picture = usePicture(session);
  useKeys(session, host, () => setHelp((open) => !open));
  return (
    <div class="app">
      <TopBar
        session={session}
        comparison={comparison}
        picture={picture}
        trace={shown?.trace ?? null}
        host={host}
        onHelp={() => setHelp(true)}
      />
      {problem && shown && <ProblemLine session={session} {...problem} />}
      {picture ? (
        <div class="body" data-view={view}>
          <Stepper
            session={session}
            trace={picture.trace}
            folded={folded}
            onFold={() => setFolded(!folded)}
          />
          <div class="side" data-folded={folded}>
            <Atlas session={session} trace={picture.trace} part={picture.part} palette={palette} />
            <Finder session={session} trace={picture.trace} part={picture.part} />
          </div>
          <Stage session={session} other={other} picture={picture} palette={palette} />
          <Inspector session={session} other={other} picture={picture} palette={palette} />
        </div>
      ) : problem ? (
        <div class="blank" role="alert">
          <h2>{sentence(problem.message)}</h2>
          <p>{sentence(problem.help)}</p>
          {host.dataset.headscope && (
            <button class="chip" onClick={() => location.reload()}>
              Try again
            </button>
          )}
        </div>
      ) : (
        <div class="blank loading" role="status">
          <p>Reading the trace…</p>
        </div>
      )}
      {picture && <Footer trace={picture.trace} />}
      <Help open={help} onClose={() => setHelp(false)} />
    </div>
  );
}

/** What went wrong, in one line, over the picture that still stands. */
function ProblemLine({ session, message, help }: { session: Session; message: string; help: string }) {
  return (
    <div class="problem" role="alert" data-testid="problem">
      <p>
        <strong>{sentence(message)}</strong> {sentence(help)}
      </p>
      <button class="icon" aria-label="Dismiss" onClick={() => session.problem.set(null)}>
        ×
      </button>
    </div>
  );
}

/** A message as a sentence, whoever wrote it. */
function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

/** What is around a cell where a notebook is dark. */
const DARK_NOTEBOOKS = "[data-jp-theme-light=false], .vscode-dark";

/** Puts the theme on the host element and reads the colours that it gives. */
function usePalette(host: HTMLElement, theme: Theme) {
  const [prefersDark, setPrefersDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const listen = () => setPrefersDark(query.matches);
    listen(); // a frame may learn of its surroundings before this
    query.addEventListener("change", listen);
    return () => query.removeEventListener("change", listen);
  }, []);
  const dark = theme === "auto" ? prefersDark || host.closest(DARK_NOTEBOOKS) !== null : theme === "dark";
  return useMemo(() => {
    host.dataset.theme = dark ? "dark" : "light";
    return readPalette(host, dark);
  }, [host, dark]);
}

// ---- keys ---------------------------------------------------------------------------------

const ARROWS: Record<string, [layers: number, heads: number]> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

function useKeys(session: Session, host: HTMLElement, onHelp: () => void) {
  useLayoutEffect(() => {
    const target = keyTarget(host);
    const listen = (event: Event) => {
      const { key, shiftKey } = event as KeyboardEvent;
      if (isTaken(event as KeyboardEvent) || !session.shown.value) return;
      if (key === "?") onHelp();
      const change = changeOf(key, shiftKey, session);
      if (!change) return;
      event.preventDefault();
      session.update(change);
    };
    target.addEventListener("keydown", listen);
    return () => target.removeEventListener("keydown", listen);
  }, [session, host]);
}

/** What a key does to the state, if anything. */
function changeOf(key: string, shift: boolean, session: Session): ((state: State) => State) | null {
  const { trace } = session.shown.value!;
  const part = partOf(session.state.value, trace);
  if (key in ARROWS) {
    const [layers, heads] = ARROWS[key];
    return (state) =>
      shift ? extend(state, step(state, layers, heads, trace)) : step(state, layers, heads, trace);
  }
  const view = VIEWS[Number(key) - 1]?.key;
  if (view) return (state) => show(state, { view }, trace);
  if (key === "j" || key === "k") return (state) => stepToken(state, key === "j" ? 1 : -1, part);
  if (key === "J" || key === "K") return (state) => stepToken(state, key === "J" ? 1 : -1, part, "key");
  if (key === "f" && isPair(part)) {
    return (state) => ({
      ...state,
      flow: after(
        FLOWS.map((flow) => flow.key),
        state.flow,
      ),
    });
  }
  if (key === "e") {
    return (state) => enterPart(state, after(trace.parts, partAt(trace, state.focus.layer)), trace);
  }
  if (key === "w" && !trace.image) {
    return (state) => show(state, { grain: after(GRAINS, state.grain) }, trace);
  }
  if (key === "s") return (state) => ({ ...state, special: after(SPECIALS, state.special) });
  if (key === "," || key === ".") {
    const by = key === "," ? -1 : 1;
    return (state) => showUpTo(state, lastShown(state, writtenTokens(trace)) + 1 + by, trace);
  }
  if (key === "Escape") return unpin;
  return null;
}

/** The head stepped to, added to those drawn before. */
function extend(before: State, stepped: State): State {
  const drawn = before.heads.some(
    ({ layer, head }) => layer === stepped.focus.layer && head === stepped.focus.head,
  );
  return drawn ? { ...before, focus: stepped.focus } : toggle(before, stepped.focus);
}
