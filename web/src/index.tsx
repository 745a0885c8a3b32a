/** The one component of headscope: for the local app, the exported page, and the notebook. */

import { render as draw } from "preact";
import { App } from "./parts/app";
import { keepLink } from "./link";
import { AppHost } from "./model/app";
import type { Host } from "./model/host";
import { PageHost } from "./model/page";
import { Session } from "./session";
import { fromHash, INITIAL } from "./state";
import theme from "./theme.css?inline";
import matrix from "./views/matrix.css?inline";

/** The theme, and the styles of each view that has its own. */
const css = [theme, matrix].join("\n");

/** The anywidget contract: draws `model` into `el`, and returns what takes it away again. */
function render({ model, el }: { model: Host; el: HTMLElement }): () => void {
  return mount(new Session(model, ""), el);
}

function mount(session: Session, el: HTMLElement): () => void {
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  draw(<App session={session} host={el} />, root);
  return () => {
    session.close();
    draw(null, root);
  };
}

/** Fills the window with the component, and gives it the address bar. */
function mountPage(el: HTMLElement): void {
  const { editable, focus } = el.dataset;
  const values = { editable: editable === "true", focus: focus ? JSON.parse(focus) : null };
  const host = hostOf(el, values);
  el.toggleAttribute("data-full", true);
  const page = new CSSStyleSheet();
  page.replaceSync("html,body{margin:0;height:100%}");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, page];
  const session = new Session(host, location.hash);
  keepLink(session);
  mount(session, el);
}

function hostOf(el: HTMLElement, values: { editable: boolean; focus: unknown }): Host {
  if (el.dataset.headscope === "app") {
    return new AppHost(values, values.editable ? fromHash(location.hash, INITIAL).texts : null);
  }
  return new PageHost(values, document.getElementById("headscope-data")?.textContent ?? "");
}

for (const el of document.querySelectorAll<HTMLElement>("main[data-headscope]")) mountPage(el);

export default { render };
