/** Chapter 7: the picture that readers come for, and what all heads together do. */

import { useMemo, useState } from "preact/hooks";
import { massByKind } from "../../model/measure";
import { plain } from "../../model/piece";
import { allHeads, type HeadId, type Token } from "../../model/trace";
import { percent } from "../../parts/percent";
import { HeadView } from "../../views/head";
import type { ChapterProps } from ".";
import { queryOf } from "../choice";
import { Chips } from "../figures/chips";
import { Figure, Live } from "../figures/figure";
import { HeadSteps } from "../figures/pickers";
import { SceneView } from "../figures/view";
import type { Scene } from "../scene";

/** Pairs worth a look, if the words are there. */
const ASKED = [
  ["played", "dog"],
  ["sat", "mat"],
];

export function Seeing({ scenes, place, palette }: ChapterProps) {
  const { pair } = scenes;
  const { tokens } = pair;
  const known = useMemo(() => ASKED.flatMap(([from, to]) => edgeOf(tokens, from, to) ?? []), [tokens]);
  const [asked, ask] = useState<Edge | null>(null);
  const chosen = queryOf(place, scenes);
  const usual = known[0] ?? { query: chosen, key: Math.max(0, chosen - 1) };
  const edge = asked && asked.query < tokens.length && asked.key < tokens.length ? asked : usual;
  const ranked = useMemo(() => rank(pair, edge), [pair, edge.query, edge.key]);
  const [best] = ranked;
  const [picked, pick] = useState<HeadId | null>(null);
  const head = picked ?? best.id;
  const median = ranked[Math.floor(ranked.length / 2)].weight;
  const layers = useMemo(() => byLayer(pair), [pair]);
  const total = { special: mean(layers.map((layer) => layer.first + layer.separators)), other: layers.map((layer) => layer.other) };
  const choose = (next: Edge) => {
    ask(next);
    pick(null);
  };
  return (
    <>
      <div class="prose">
        <p>
          Here is the whole picture of one head: at the left the tokens that look, at the right those that are looked
          at, and a line for every weight. Point at a token to see its row alone. Ask the figure for two tokens, and it
          finds, among all {ranked.length} heads, the one in which the first looks most at the second.
        </p>
        <p>
          “{plain(tokens[edge.query].piece)}” looks at “{plain(tokens[edge.key].piece)}” with{" "}
          <Live of="best-weight">{best.weight.toFixed(3)}</Live> in layer {best.id.layer}, head {best.id.head}; in half of
          all heads it is less than <Live of="median-weight">{median.toFixed(3)}</Live>.{" "}
          {known.length === 2 && <Pairs scene={pair} edges={known} onAsk={choose} />} A large weight in one head of many is
          easy to find for almost any two neighbours; take it for what it is.
        </p>
        <p>
          Most of the weight goes nowhere interesting: on average <Live of="special">{percent(total.special)}</Live> of it
          lies on the special tokens. A row must add up to 1, so a head that finds nothing to look for needs a place to
          look to, and these tokens are in every text.
        </p>
        <p>
          And the two sentences? Nothing forbids the tokens of A to look into B. The model has the segment and the
          separator to tell them apart, and how far it keeps them apart can be measured: the weight that crosses goes
          from <Live of="other-first">{percent(total.other[0])}</Live> in the first layer to{" "}
          <Live of="other-last">{percent(total.other[total.other.length - 1])}</Live> in the last.
        </p>
      </div>
      <Figure
        name="seeing"
        caption={
          <>
            Above, the head view of layer {head.layer}, head {head.head}. Below, the mean over all heads and rows of each
            layer, by what is looked at: the first token, the other special tokens, words of the same sentence (the token
            itself among them), words of the other one.
          </>
        }
      >
        <Ask tokens={tokens} edge={edge} onAsk={choose} />
        <div class="choices" role="group" aria-label="Heads in which that weight is largest">
          <span class="label">most in</span>
          {ranked.slice(0, 4).map(({ id, weight }) => (
            <button
              key={`${id.layer}.${id.head}`}
              aria-pressed={id.layer === head.layer && id.head === head.head}
              onClick={() => pick(id)}
            >
              {id.layer}·{id.head} <span class="figure">{weight.toFixed(3)}</span>
            </button>
          ))}
        </div>
        <HeadSteps id={head} of={pair.trace} onChange={pick} />
        <SceneView scene={pair} head={head} query={edge.query} palette={palette} View={HeadView} height={460} />
        <section class="block">
          <h3>
            Where the weight goes <span class="label">layer by layer</span>
          </h3>
          <Layers rows={layers} />
        </section>
      </Figure>
    </>
  );
}

interface Edge {
  query: number;
  key: number;
}

/** The last place of each word, in one sentence if they are. */
function edgeOf(tokens: Token[], from: string, to: string): Edge | null {
  const find = (word: string) => tokens.findLastIndex(({ piece }) => piece === word);
  const edge = { query: find(from), key: find(to) };
  return edge.query < 0 || edge.key < 0 ? null : edge;
}

/** All heads by the weight of one edge, the largest first. */
function rank(scene: Scene, { query, key }: Edge): { id: HeadId; weight: number }[] {
  const n = scene.tokens.length;
  const heads = allHeads(scene.trace.parts[0]).map((id) => ({ id, weight: scene.pattern(id)[query * n + key] }));
  return heads.sort((a, b) => b.weight - a.weight);
}

/** Two known pairs beside each other. */
function Pairs({ scene, edges, onAsk }: { scene: Scene; edges: Edge[]; onAsk: (edge: Edge) => void }) {
  return (
    <>
      Compare{" "}
      {edges.map((edge, i) => (
        <>
          {i > 0 && " with "}
          <button class="inline" onClick={() => onAsk(edge)}>
            “{plain(scene.tokens[edge.query].piece)}” to “{plain(scene.tokens[edge.key].piece)}”
          </button>{" "}
          (at most <Live of={`most-${i}`}>{rank(scene, edge)[0].weight.toFixed(2)}</Live>)
        </>
      ))}
      .
    </>
  );
}

function Ask({ tokens, edge, onAsk }: { tokens: Token[]; edge: Edge; onAsk: (edge: Edge) => void }) {
  return (
    <div class="ask">
      <div>
        <p class="label">who looks</p>
        <Chips label="Who looks" tokens={tokens} chosen={edge.query} onChoose={(query) => onAsk({ ...edge, query })} />
      </div>
      <div class="asked">
        <p class="label">at whom</p>
        <Chips label="Who is looked at" tokens={tokens} chosen={edge.key} onChoose={(key) => onAsk({ ...edge, key })} />
      </div>
    </div>
  );
}

const KINDS = [
  { key: "first", label: "first token" },
  { key: "separators", label: "other special tokens" },
  { key: "same", label: "same sentence" },
  { key: "other", label: "other sentence" },
] as const;

type Shares = Record<(typeof KINDS)[number]["key"], number>;

/** The mean over heads and rows of each layer, by what is looked at. */
function byLayer(scene: Scene): Shares[] {
  const part = scene.trace.parts[0];
  return part.layers.map((layer) => {
    const sums: Shares = { first: 0, separators: 0, same: 0, other: 0 };
    for (let head = 0; head < part.heads; head++) {
      const [first, separators, itself, next, previous, same, other] = massByKind(scene.pattern({ layer, head }), part, {
        query: null,
        key: null,
      });
      sums.first += first;
      sums.separators += separators;
      sums.same += itself + next + previous + same;
      sums.other += other;
    }
    const rows = part.heads * part.queries.length;
    return { first: sums.first / rows, separators: sums.separators / rows, same: sums.same / rows, other: sums.other / rows };
  });
}

function Layers({ rows }: { rows: Shares[] }) {
  return (
    <>
      <p class="legend-line" aria-hidden="true">
        {KINDS.map(({ key, label }) => (
          <span key={key}>
            <i class={`kind ${key}`} /> {label}
          </span>
        ))}
      </p>
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Where the weight goes, layer by layer">
        <table class="rows layers" data-testid="layers">
          <thead>
            <tr>
              <th scope="col">layer</th>
              <th scope="col" class="wide">
                <span class="unseen">shares as a bar</span>
              </th>
              {KINDS.map(({ key, label }) => (
                <th scope="col" class="number" key={key}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((shares, layer) => (
              <tr key={layer}>
                <th scope="row">{layer}</th>
                <td class="wide">
                  <span class="stack" aria-hidden="true">
                    {KINDS.map(({ key }) => (
                      <i key={key} class={`kind ${key}`} style={{ width: `${shares[key] * 100}%` }} />
                    ))}
                  </span>
                </td>
                {KINDS.map(({ key }) => (
                  <td class="number" key={key}>
                    {percent(shares[key])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
