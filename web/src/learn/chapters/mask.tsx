/** Chapter 2: who may be looked at, and what happens to the weights when someone may not. */

import { useMemo, useState } from "preact/hooks";
import { plain } from "../../model/piece";
import type { Token } from "../../model/trace";
import { Piece } from "../../parts/piece";
import { MatrixView } from "../../views/matrix";
import type { ChapterProps } from ".";
import { metric } from "../choice";
import { Bar } from "../figures/bar";
import { Chips } from "../figures/chips";
import { Figure, Live } from "../figures/figure";
import { SceneView } from "../figures/view";
import type { Scene } from "../scene";

export function Mask({ scenes: { pair, padded }, palette }: ChapterProps) {
  const { tokens } = padded;
  const head = useMemo(() => evenHead(padded), [padded]);
  const [query, choose] = useState(() => middle(tokens));
  const [toggled, setToggled] = useState<ReadonlySet<number>>(new Set());
  const padding = tokens.filter(({ mask }) => !mask).length;
  const change = useMemo(() => ({ visible: tokens.map(({ mask }, i) => mask !== toggled.has(i)) }), [tokens, toggled]);
  const isOn = (i: number) => change.visible[i];
  const at = query < tokens.length && !isFiller(tokens[query]) ? query : middle(tokens);
  const n = tokens.length;
  const rowOf = (pattern: Float32Array) => pattern.subarray(at * n, (at + 1) * n);
  const before = useMemo(() => rowOf(padded.pattern(head)), [padded, head, at]);
  const weights = useMemo(() => rowOf(padded.changed(head, change)), [padded, head, change, at]);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const toggle = (i: number) => {
    const next = new Set(toggled);
    if (!next.delete(i)) next.add(i);
    setToggled(next);
  };
  return (
    <>
      <div class="prose">
        <p>
          At the heart of the model is a step in which every token looks at every other and takes something from it.
          How much it takes from each is a number, the <em>weight</em>; the weights of one token add up to 1. Where
          they come from is the matter of the next chapters. First: who may be looked at?
        </p>
        <p>
          Texts are often run several at once, as a table with rows of equal length, a <em>batch</em>. A shorter text is
          filled up with a token that means nothing, <strong><Piece of={filler(tokens) ?? "[PAD]"} /></strong>. Nobody
          should look at filler. So a second table goes along, the <em>attention mask</em>: 1 for a token that counts, 0
          for one that does not.
        </p>
        <p>
          Each token has a raw number before it has a weight, its <em>score</em>. Where the mask has a 0, the score is
          set to −∞, and the weight becomes exactly 0. What it would have had goes to the others, in proportion, so
          that the row still adds up to 1. Switch a token off and see. Then let the filler in, and see what it would
          have taken.
        </p>
      </div>
      <Figure
        name="mask"
        caption={
          <>
            One of the model’s many ways to look, the one named layer 0, head {head.head} (later chapters say what these
            are), on sentence A with {padding} fillers, as the first row of a batch with both sentences (
            {pair.tokens.length} tokens). A line in a bar is the weight under the model’s own mask. In this first layer a
            score depends on its two tokens alone, so what you see is just what the model would compute.
          </>
        }
      >
        <Batch rows={[tokens, pair.tokens]} />
        <table class="rows" data-testid="mask-table">
          <caption>
            “<Piece of={tokens[at].piece} />” looks at
          </caption>
          <thead>
            <tr>
              <th scope="col">token</th>
              <th scope="col">mask</th>
              <th scope="col" class="wide" colSpan={2}>
                weight
              </th>
            </tr>
          </thead>
          <tbody>
            {tokens.map((token, i) => (
              <tr key={i} data-off={!isOn(i)}>
                <th scope="row">
                  {isFiller(token) ? (
                    <Piece of={token.piece} />
                  ) : (
                    <button class="plain" aria-pressed={i === at} title="Let this token look" onClick={() => choose(i)}>
                      <Piece of={token.piece} />
                    </button>
                  )}
                </th>
                <td>
                  <button
                    class="switch"
                    role="switch"
                    aria-checked={isOn(i)}
                    aria-label={`${plain(token.piece)}, token ${i}, may be looked at`}
                    data-testid={`mask-${i}`}
                    onClick={() => toggle(i)}
                  >
                    {isOn(i) ? 1 : 0}
                  </button>
                </td>
                <td class="wide">
                  <Bar share={weights[i]} before={before[i]} />
                </td>
                <td class="number" data-weight={i}>
                  {weights[i].toFixed(3)}
                </td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colSpan={3}>
                {toggled.size > 0 ? (
                  <button class="chip" data-testid="mask-reset" onClick={() => setToggled(new Set())}>
                    the model’s own mask again
                  </button>
                ) : (
                  "sum"
                )}
              </th>
              <td class="number">
                <Live of="sum">{sum.toFixed(3)}</Live>
              </td>
            </tr>
          </tfoot>
        </table>
        <p class="label">
          The rows of all tokens: each line is one token looking, a query; each column one looked at, a key. At the right
          how widely a row is spread, its entropy; at the bottom what a token gets on average.
        </p>
        <SceneView scene={padded} head={head} query={at} change={change} palette={palette} View={MatrixView} height={380} />
      </Figure>
    </>
  );
}

/** Two texts as one table, with the mask below the tokens. */
function Batch({ rows }: { rows: Token[][] }) {
  return (
    <div class="batch" data-testid="batch">
      {rows.map((tokens, i) => (
        <Chips
          key={i}
          label={`Text ${i + 1} of the batch with its mask`}
          tokens={tokens}
          under={({ mask }) => (mask ? 1 : 0)}
        />
      ))}
    </div>
  );
}

function isFiller({ mask }: Token): boolean {
  return !mask;
}

function filler(tokens: Token[]): string | undefined {
  return tokens.find(isFiller)?.piece;
}

function middle(tokens: Token[]): number {
  const words = [...tokens.keys()].filter((i) => !tokens[i].special);
  return words[Math.floor(words.length / 2)] ?? 0;
}

/** The head of layer 0 whose rows are spread most: many weights can be seen to change. */
function evenHead({ trace }: Scene) {
  const heads = Array.from({ length: trace.heads }, (_, head) => ({ layer: 0, head }));
  const spread = (id: { layer: number; head: number }) => metric(trace, id, "entropy");
  return heads.reduce((best, id) => (spread(id) > spread(best) ? id : best));
}
