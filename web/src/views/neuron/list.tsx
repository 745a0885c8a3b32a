/** Tokens in a column to choose one; of a long text only the rows in sight are made. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Token } from "../../model/trace";
import { Piece } from "../../parts/piece";
import { px } from "../../parts/px";
import { useSize } from "../../parts/size";

const ROW = 24;
const BEYOND = 12;

interface Props {
  side: "query" | "key";
  label: string;
  tokens: Token[];
  /** Places of the tokens that have a row. */
  shown: number[];
  chosen: number;
  /** By token, printed beside. */
  weights?: Float32Array;
  onChoose: (index: number) => void;
}

export function TokenList({ side, label, tokens, shown, chosen, weights, onChoose }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const { height } = useSize(scroller);
  const [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
  const rows = shown.slice(first, first + Math.ceil(height / ROW) + 2 * BEYOND);
  const place = shown.indexOf(chosen);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || place < 0 || !height) return;
    const above = (place - 1) * ROW;
    const below = (place + 2) * ROW - height;
    if (element.scrollTop > above || element.scrollTop < below) element.scrollTop = place * ROW - height / 2;
  }, [place, height]);

  return (
    <div class={`list ${side}`}>
      <p class="head" id={`neuron-${side}`}>
        {label}
        {weights && <span class="label">weight</span>}
      </p>
      <div
        class="rows"
        ref={scroller}
        role="listbox"
        tabIndex={0}
        aria-labelledby={`neuron-${side}`}
        aria-activedescendant={rows.includes(chosen) ? `neuron-${side}-${chosen}` : undefined}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        data-testid={`neuron-${side}`}
      >
        <div role="presentation" style={px({ height: shown.length * ROW, paddingTop: first * ROW })}>
          {rows.map((index) => (
            <div
              key={index}
              id={`neuron-${side}-${index}`}
              role="option"
              aria-selected={index === chosen}
              class={tokens[index].special ? "special" : undefined}
              style={px({ height: ROW })}
              data-index={index}
              onClick={() => onChoose(index)}
            >
              <Piece of={tokens[index].piece} />
              {weights && (
                <>
                  <span class="bar">
                    <i style={{ width: `${weights[index] * 100}%` }} />
                  </span>
                  <span class="figure">{weights[index].toFixed(3)}</span>
                </>
              )}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
