/** Chapter 3: the same vector before the first layer, and what the company of other words makes of it. */

import { useMemo, useState } from "preact/hooks";
import { plain } from "../../model/piece";
import { Piece } from "../../parts/piece";
import type { ChapterProps } from ".";
import { sharedWords } from "../choice";
import { cosine, distance } from "../cosine";
import { SensesEditor } from "../editors";
import { Curve } from "../figures/curve";
import { Figure, Live } from "../figures/figure";
import { Vectors } from "../figures/vector";
import type { Scene } from "../scene";

export function Context({ lesson, scenes: { first, second } }: ChapterProps) {
  const words = useMemo(() => sharedWords(first, second), [first, second]);
  const [asked, ask] = useState<string | null>(null);
  const word = words.find(({ piece }) => piece === asked) ?? words[0];
  const cosines = useMemo(() => (word ? cosinesOf(first, second, word.places) : []), [first, second, word]);
  return (
    <>
      <div class="prose">
        <p>
          A token’s id is a row number. In a long table that the model learned, that row holds a list of numbers: the
          token’s <em>word vector</em>. Words used alike have rows alike. The table knows nothing of the sentence:{" "}
          {word ? <>“{plain(word.piece)}”</> : "a word"} picks the same row whatever stands around it.
        </p>
        <p>
          A second table has a vector for each <em>position</em>, so that the model can tell the first word from the
          fifth. Both are added up (and a third, for the segment): that sum, brought to a common scale, enters the first
          layer. It is called the <em>embedding</em>.
        </p>
        <p>
          A <em>layer</em> is one round in which tokens look at each other and are changed by what they take. To see the
          change we compare the two vectors of one word by their <em>cosine</em>: 1 if they point the same way, 0 if they
          have nothing in common. {word && <Told places={word.places} cosines={cosines} />}
        </p>
        <p>
          The dashed line is the fair comparison: the mean cosine of <em>different</em> words of the two sentences. Many
          models keep all their vectors in one corner of the space, so even strangers look alike. What counts is how a
          curve lies to that line, not to 0.
        </p>
      </div>
      <Figure
        name="context"
        caption={
          <>
            Each sentence is run by itself. Drawn are the word and position vectors as they are looked up, and the cosine
            of what enters each layer ({first.trace.layers} layers; the last point is what comes out). Nothing is
            averaged but the dashed line.
          </>
        }
      >
        <SensesEditor lesson={lesson} />
        {words.length > 1 && (
          <div class="choices" role="group" aria-label="The word that is followed">
            <span class="label">follow</span>
            {words.map(({ piece }) => (
              <button key={piece} aria-pressed={piece === word.piece} onClick={() => ask(piece)}>
                <Piece of={piece} />
              </button>
            ))}
          </div>
        )}
        {word ? (
          <Followed {...{ first, second, word, cosines }} />
        ) : (
          <p class="nothing">The two sentences share no word. Give them one, in two meanings.</p>
        )}
      </Figure>
    </>
  );
}

/** How alike one word's vectors are in two sentences, from what enters the first layer to what leaves the last. */
function cosinesOf(first: Scene, second: Scene, [from, to]: [number, number]): number[] {
  const others = second.path(to);
  return first.path(from).map((vector, i) => cosine(vector, others[i]));
}

/** What the figure shows, in a sentence. */
function Told({ places: [from, to], cosines }: { places: [number, number]; cosines: number[] }) {
  return (
    <>
      Before the first layer the cosine is <Live of="cosine-first">{cosines[0].toFixed(3)}</Live>
      {from !== to && " (less than 1, as the word stands at different positions)"}; after the last one it is{" "}
      <Live of="cosine-last">{cosines[cosines.length - 1].toFixed(3)}</Live>.
    </>
  );
}

interface Followed {
  first: Scene;
  second: Scene;
  word: ReturnType<typeof sharedWords>[number];
  cosines: number[];
}

function Followed({ first, second, word, cosines }: Followed) {
  const { curve, ticks, tables } = useMemo(() => {
    const layers = cosines.length - 1;
    const ticks = cosines.map((_, i) => (i === layers ? "after the last layer" : i === 0 ? "before layer 0" : `entering layer ${i}`));
    const curve = [
      { name: plain(word.piece), values: cosines },
      { name: "different words", values: strangers(first, second), dashed: true },
    ];
    const tables = first.hasPositions ? (["word_embed", "pos_embed"] as const) : [];
    return { curve, ticks, tables };
  }, [first, second, word, cosines]);
  return (
    <>
      {tables.map((table) => {
        const [a, b] = [first.looked(table, word.places[0]), second.looked(table, word.places[1])];
        const apart = distance(a, b);
        const same = apart === 0;
        return (
          <section class="block" key={table} data-testid={table}>
            <h3>
              {table === "word_embed" ? "Its word vector" : "Its position vector"}{" "}
              <span class="label">
                {same ? "the same in both sentences, to the last digit" : `different: positions ${word.places.join(" and ")}`}
              </span>
            </h3>
            <Vectors of={same ? [{ name: "both", values: a }] : [{ name: "first", values: a }, { name: "second", values: b }]} />
          </section>
        );
      })}
      {tables.length === 0 && (
        <p class="label">
          {first.trace.card.family} keeps no table of positions that could be shown apart: the curve begins with what
          enters layer 0.
        </p>
      )}
      <section class="block">
        <h3>
          Cosine of the two <span class="label">from the embedding upwards, layer by layer</span>
        </h3>
        <Curve label={`Cosine of ${plain(word.piece)} in the two sentences`} ticks={ticks} series={curve} />
      </section>
    </>
  );
}

/** The mean cosine, at each layer, of all different words of the two sentences. */
function strangers(first: Scene, second: Scene): number[] {
  const words = (scene: Scene) => [...scene.tokens.keys()].filter((i) => !scene.tokens[i].special);
  const [paths, others] = [first, second].map((scene) => words(scene).map((i) => ({ id: scene.tokens[i].id, path: scene.path(i) })));
  const pairs = paths.flatMap((a) => others.filter((b) => b.id !== a.id).map((b) => [a.path, b.path]));
  return (paths[0]?.path ?? []).map((_, layer) => {
    const sum = pairs.reduce((total, [a, b]) => total + cosine(a[layer], b[layer]), 0);
    return pairs.length ? sum / pairs.length : 0;
  });
}
