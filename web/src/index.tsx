/** The one component of headscope: for the local app, the exported page, and the notebook. */

import { render as draw } from "preact";
import { Comparison } from "./compare";
import { App } from "./parts/app";
import { keepLink } from "./link";
import { AppHost } from "./model/app";
import type { Host } from "./model/host";
import { PageHost, partOfPage } from "./model/page";
import { Session } from "./session";
import { fromHash, INITIAL } from "./state";
import { styles } from "./styles";

/** The anywidget contract: draws `model` into `el`, and returns what takes it away again. */
function render({ model, el }: { model: Host; el: HTMLElement }): () => void {
  const session = new Session(model, "");
  return mount(session, new Comparison(session, null), el);
}

function mount(session: Session, comparison: Comparison, el: HTMLElement): () => void {
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [sheet];
  draw(<App session={session} comparison={comparison} host={el} />, root);
  return () => {
    comparison.end();
    session.close();
    draw(null, root);
  };
}

/** Fills the window with the component, and gives it the address bar. */
function mountPage(el: HTMLElement): void {
  const { editable, focus, teaches } = el.dataset;
  const values = {
    editable: editable === "true",
    focus: focus ? JSON.parse(focus) : null,
    lesson: teaches === "true" ? "/learn" : null,
  };
  const host = hostOf(el, values);
  el.toggleAttribute("data-full", true);
  const page = new CSSStyleSheet();
  page.replaceSync("html,body{margin:0;height:100%}");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, page];
  const session = new Session(host, location.hash);
  const isApp = el.dataset.headscope === "app" && values.editable;
  const comparison = new Comparison(session, isApp ? (texts) => new AppHost(values, texts) : null);
  const { beside } = fromHash(location.hash, INITIAL);
  if (beside) comparison.start(beside);
  keepLink(session, comparison);
  mount(session, comparison, el);
}

function hostOf(el: HTMLElement, values: Record<string, unknown>): Host {
  if (el.dataset.headscope === "app") {
    return new AppHost(values, values.editable ? fromHash(location.hash, INITIAL).texts : null);
  }
  return new PageHost(values, partOfPage);
}

for (const el of document.querySelectorAll<HTMLElement>("main[data-headscope]")) mountPage(el);

export default { render };
