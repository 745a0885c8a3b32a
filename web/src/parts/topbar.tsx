/** The top bar: the model, the texts, and what concerns the whole page. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useCell } from "../cell";
import { hasLink, linkNow } from "../link";
import type { Comparison } from "../compare";
import type { Trace } from "../model/trace";
import type { Session } from "../session";
import type { Picture } from "../picture";
import { Exporter } from "./exporter";
import { ThemeButton } from "./theme-button";

export function TopBar({
  session,
  comparison,
  picture,
  trace,
  host,
  onHelp,
}: {
  session: Session;
  comparison: Comparison;
  picture: Picture | null;
  trace: Trace | null;
  host: HTMLElement;
  onHelp: () => void;
}) {
  const { theme } = useCell(session.state);
  return (
    <header class="topbar">
      <h1>headscope</h1>
      {trace && (
        <p class="model" data-testid="model">
          <strong>{trace.card.id}</strong>
          <span>
            {sizes(trace)}
          </span>
        </p>
      )}
      {trace && (session.editable ? <Editor session={session} trace={trace} /> : <Texts texts={trace.texts} />)}
      <div class="actions">
        {trace && session.lesson !== null && <Learn session={session} texts={trace.texts} />}
        {trace && comparison.isPossible && <Compare comparison={comparison} texts={trace.texts} />}
        {hasLink() && <CopyLink />}
        {picture && <Exporter session={session} picture={picture} host={host} />}
        <ThemeButton theme={theme} onChange={(theme) => session.update((state) => ({ ...state, theme }))} />
        <button
          class="icon"
          onClick={onHelp}
          aria-label="Help and keys"
          title="Help and keys (?)"
          data-testid="help"
        >
          ?
        </button>
      </div>
    </header>
  );
}

/** Layers by heads, where there are two stacks of both. */
function sizes({ parts }: Trace): string {
  const stacks = parts.filter(({ key }) => key !== "cross" || parts.length === 1);
  const heads = [...new Set(stacks.map((part) => part.heads))];
  return `${stacks.map(({ layers }) => layers.length).join(" + ")} layers × ${heads.join(" and ")} heads`;
}

/** The texts of a page that cannot run them again. */
function Texts({ texts }: { texts: string[] }) {
  return (
    <div class="texts fixed" data-testid="texts">
      {texts.map((text, i) => (
        <p class="sentence" key={i} title={text.slice(0, 600)}>
          <span class="letter" aria-hidden="true">
            {"AB"[i]}
          </span>
          <bdi>{text.slice(0, 600)}</bdi>
        </p>
      ))}
    </div>
  );
}

/** The texts, editable in place; the picture follows the typing. */
function Editor({ session, trace }: { session: Session; trace: Trace }) {
  const roles = trace.target ? ROLES.two : ROLES.one;
  const draft = useCell(session.draft);
  const busy = useCell(session.busy);
  const added = useRef(false);
  const change = (index: number, text: string) => session.edit(draft.with(index, text));
  return (
    <div class="texts" data-busy={busy} data-testid="texts">
      {draft.map((text, i) => (
        <Sentence
          key={i}
          name={"AB"[i]}
          role={roles[i]}
          text={text}
          autoFocus={i === 1 && added.current}
          onInput={(now) => change(i, now)}
          onEnter={() => session.edit(session.draft.value, 0)}
          onRemove={i === 1 && !trace.target ? () => session.edit([draft[0]], 0) : undefined}
        />
      ))}
      {draft.length === 1 && (
        <button
          class="add"
          data-testid="add-b"
          onClick={() => {
            added.current = true;
            session.draft.set([...draft, ""]);
          }}
        >
          + {roles[1].name}
        </button>
      )}
      <span class="running" aria-live="polite">
        {busy ? <span class="unseen">running</span> : ""}
      </span>
    </div>
  );
}

/** What the texts are to a model: sentences, or what its encoder and its decoder read. */
const ROLES = {
  one: [
    { name: "sentence A", label: "Sentence A", placeholder: "Type a sentence" },
    { name: "sentence B", label: "Sentence B", placeholder: "Type a second sentence" },
  ],
  two: [
    { name: "source", label: "Source", placeholder: "Type a text" },
    { name: "target", label: "Target", placeholder: "Type what the decoder reads" },
  ],
};

/** An opened sentence covers no more of the picture than this, in CSS pixels. */
const TALLEST = 168;

interface SentenceProps {
  name: string;
  role: { label: string; placeholder: string };
  text: string;
  autoFocus: boolean;
  onInput: (text: string) => void;
  onEnter: () => void;
  onRemove?: () => void;
}

/** One line until it is edited; then as tall as its text. */
export function Sentence({ name, role, text, autoFocus, onInput, onEnter, onRemove }: SentenceProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const [open, setOpen] = useState(false);
  useLayoutEffect(() => {
    const element = area.current!;
    element.style.height = "";
    if (open) element.style.height = `${Math.min(element.scrollHeight, TALLEST)}px`;
  }, [open, text]);
  useEffect(() => {
    if (autoFocus) area.current!.focus();
  }, [autoFocus]);
  return (
    <div class="sentence" data-open={open}>
      <span class="letter" aria-hidden="true">
        {name}
      </span>
      <textarea
        ref={area}
        rows={1}
        dir="auto"
        spellcheck={false}
        autocomplete="off"
        aria-label={role.label}
        data-testid={`sentence-${name.toLowerCase()}`}
        placeholder={role.placeholder}
        value={text}
        onFocus={() => setOpen(true)}
        onBlur={(event) => {
          event.currentTarget.scrollTop = 0;
          setOpen(false);
        }}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          onEnter();
        }}
      />
      {onRemove && (
        <button
          class="remove"
          aria-label="Remove sentence B"
          title="Remove sentence B"
          data-testid="remove-b"
          onClick={onRemove}
        >
          ×
        </button>
      )}
    </div>
  );
}

/** Keeps the texts where they are, so that others can be typed and seen beside them. */
function Compare({ comparison, texts }: { comparison: Comparison; texts: string[] }) {
  const other = useCell(comparison.other);
  return other ? (
    <button data-testid="compare" title="Take the other text away" onClick={() => comparison.end()}>
      One text
    </button>
  ) : (
    <button
      data-testid="compare"
      title="Keep this text at the left, and edit it to see what changes"
      onClick={() => comparison.start(texts)}
    >
      Compare
    </button>
  );
}

/** The lesson, on the same texts. */
function Learn({ session, texts }: { session: Session; texts: string[] }) {
  const { theme } = useCell(session.state);
  const link = new URLSearchParams({ chapter: "1" });
  if (theme !== "auto") link.set("theme", theme);
  if (session.editable) texts.forEach((text, i) => link.set("ab"[i], text));
  return (
    <a href={`${session.lesson}#${link}`} data-testid="learn" title="How attention works, told on this text">
      Learn
    </a>
  );
}

function CopyLink() {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 1600);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(linkNow());
      setSaid("Copied");
    } catch {
      setSaid("It is in the address bar");
    }
  };
  return (
    <button onClick={copy} data-testid="copy-link" title="Copy a link to this picture">
      <span aria-live="polite">{said || "Copy link"}</span>
    </button>
  );
}
