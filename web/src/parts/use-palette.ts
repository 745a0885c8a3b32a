import { useEffect, useMemo, useState } from "preact/hooks";
import { readPalette } from "../colours";
import type { Theme } from "../state";

/** What is around a cell where a notebook is dark. */
const DARK_NOTEBOOKS = "[data-jp-theme-light=false], .vscode-dark";

/** Puts the theme on the host element and reads the colours that it gives. */
export function usePalette(host: HTMLElement, theme: Theme) {
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
