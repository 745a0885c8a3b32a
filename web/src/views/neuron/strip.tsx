/** A vector as bars that stand up for what is positive and hang for what is not. */

import { useMemo } from "preact/hooks";

interface StripProps {
  name: string;
  values: ArrayLike<number>;
  /** The same before rotation. */
  before?: ArrayLike<number>;
  pointed: number | null;
  onPoint: (at: number | null) => void;
}

export function Strip({ name, values, before, pointed, onPoint }: StripProps) {
  const n = values.length;
  const drawn = useMemo(() => {
    let most = 0;
    for (const all of [values, before ?? []]) {
      for (let i = 0; i < all.length; i++) most = Math.max(most, Math.abs(all[i]));
    }
    const paths = { up: "", down: "", ticks: "" };
    for (let i = 0; i < n; i++) {
      const height = values[i] / (most || 1);
      paths[height > 0 ? "up" : "down"] += `M${i + 0.1} 1h.8v${(-height).toFixed(3)}h-.8z`;
      if (before) paths.ticks += `M${i + 0.1} ${(1 - before[i] / (most || 1)).toFixed(3)}h.8`;
    }
    return { most, ...paths };
  }, [values, before]);
  const move = (event: PointerEvent) => {
    const { left, width } = (event.currentTarget as Element).getBoundingClientRect();
    const at = Math.floor(((event.clientX - left) / width) * n);
    if (at >= 0 && at < n) onPoint(at);
  };
  return (
    <div class="strip-row">
      <span class="name">{name}</span>
      <svg
        viewBox={`0 -0.06 ${n} 2.12`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}: ${n} values up to ${drawn.most.toPrecision(3)} in size`}
        onPointerMove={move}
        onPointerDown={move}
      >
        {pointed !== null && pointed < n && <path class="pointed" d={`M${pointed} -.06h1v2.12h-1z`} />}
        <path class="up" d={drawn.up} />
        <path class="down" d={drawn.down} />
        <path class="line zero" d={`M0 1H${n}`} />
        {before && <path class="line tick" d={drawn.ticks} />}
      </svg>
      <span class="most figure">±{drawn.most.toPrecision(3)}</span>
    </div>
  );
}
