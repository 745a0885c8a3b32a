/** The picture on screen as a file: a drawing, an image, or its numbers. */

import { useEffect, useRef, useState } from "preact/hooks";
import { fileName, toCsv, toJson } from "../export/numbers";
import { toSvg } from "../export/svg";
import { headTitle } from "../model/trace";
import type { Picture } from "../picture";
import type { Session } from "../session";
import { exponential } from "./footer";

/** Pixels of a PNG to a CSS pixel. */
const SHARPNESS = 2;

interface Props {
  session: Session;
  picture: Picture;
  /** The component's own element, whose colours are those on screen. */
  host: HTMLElement;
}

const KINDS = [
  { ending: "svg", label: "Picture, SVG", about: "scales, for papers and slides" },
  { ending: "png", label: "Picture, PNG", about: "pixels, twice as many as on screen" },
  { ending: "csv", label: "Numbers, CSV", about: "every edge drawn" },
  { ending: "json", label: "Numbers, JSON", about: "with model, tokens and switches" },
] as const;

export function Exporter({ session, picture, host }: Props) {
  const menu = useRef<HTMLDetailsElement>(null);
  const [failed, setFailed] = useState("");
  const close = () => menu.current?.removeAttribute("open");
  useEffect(() => {
    const outside = (event: Event) => !event.composedPath().includes(menu.current!) && close();
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, []);
  const save = async (ending: (typeof KINDS)[number]["ending"]) => {
    close();
    try {
      const content = await contentOf(ending, session, picture, host);
      download(content, fileName(picture, session.state.value.view, ending));
      setFailed("");
    } catch (error) {
      setFailed(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <details class="menu" ref={menu} onKeyDown={(event) => event.key === "Escape" && close()}>
      <summary data-testid="export">Export</summary>
      <div class="menu-body" role="group" aria-label="Export">
        {KINDS.map(({ ending, label, about }) => (
          <button key={ending} data-testid={`export-${ending}`} onClick={() => save(ending)}>
            {label}
            <span>
              {about}
              {ending === "csv" && picture.within && `, within ${exponential(Number(picture.within))}`}
            </span>
          </button>
        ))}
      </div>
      <span class="unseen" aria-live="polite">
        {failed && `The export failed: ${failed}`}
      </span>
    </details>
  );
}

async function contentOf(ending: string, session: Session, picture: Picture, host: HTMLElement): Promise<Blob> {
  const { view, flow, keep, grain, special, scale, top } = session.state.value;
  if (ending === "csv") return new Blob([toCsv(picture)], { type: "text/csv" });
  if (ending === "json") {
    return new Blob([toJson(picture, { view, flow, keep, grain, special, scale, top })], {
      type: "application/json",
    });
  }
  const title = `${picture.trace.card.id}, ${headTitle(picture.trace, picture.heads[picture.focused])}: ${picture.trace.texts.join(" / ")}`;
  const paper = getComputedStyle(host).getPropertyValue("--paper").trim();
  const frame = host.shadowRoot!.querySelector<HTMLElement>("[data-picture]")!;
  frame.toggleAttribute("data-whole", true); // what a page scrolls, paper shows whole
  const { clientWidth, clientHeight } = frame;
  const svg = new Blob([toSvg(frame, title, paper)], { type: "image/svg+xml" });
  frame.toggleAttribute("data-whole", false);
  return ending === "svg" ? svg : toPng(svg, clientWidth, clientHeight);
}

async function toPng(svg: Blob, width: number, height: number): Promise<Blob> {
  const url = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = width * SHARPNESS;
    canvas.height = height * SHARPNESS;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large for a PNG")))),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}

function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
