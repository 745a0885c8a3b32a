import { useEffect, useMemo, useState } from "preact/hooks";
import { readPalette } from "../colours";
import type { Theme } from "../state";

/** Puts the theme on the host element and reads the colours that it gives. */
export function usePalette(host: HTMLElement, theme: Theme) {
  const [prefersDark, setPrefersDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const listen = () => setPrefersDark(query.matches);
    query.addEventListener("change", listen);
    return () => query.removeEventListener("change", listen);
  }, []);
  const dark = theme === "auto" ? prefersDark : theme === "dark";
  return useMemo(() => {
    host.dataset.theme = dark ? "dark" : "light";
    return readPalette(host, dark);
  }, [host, dark]);
}
