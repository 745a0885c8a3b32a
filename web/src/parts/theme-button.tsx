import { after, type Theme, THEMES } from "../state";

const ICONS = { auto: "◐", light: "○", dark: "●" };

export function ThemeButton({ theme, onChange }: { theme: Theme; onChange: (theme: Theme) => void }) {
  const next = after(THEMES, theme);
  return (
    <button
      class="icon"
      data-testid="theme"
      aria-label={`Theme: ${theme}. Change to ${next}`}
      title={`Theme: ${theme}`}
      onClick={() => onChange(next)}
    >
      {ICONS[theme]}
    </button>
  );
}
