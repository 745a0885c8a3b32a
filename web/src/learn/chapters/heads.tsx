/** Chapter 6: habits that can be measured, and why one text is not enough to name a head. */

import { useState } from "preact/hooks";
import { allHeads, type HeadId, type Trace } from "../../model/trace";
import { percent } from "../../parts/percent";
import { HeadView } from "../../views/head";
import type { ChapterProps } from ".";
import { metric } from "../choice";
import { Figure, Live } from "../figures/figure";
import { SceneView } from "../figures/view";

/** Metrics that are a habit, in words. */
const HABITS = [
  { key: "previous", name: "looks one back", about: "at the token before" },
  { key: "next", name: "looks one ahead", about: "at the token after" },
  { key: "self", name: "looks at itself", about: "at the token itself" },
  { key: "first", name: "rests on the first", about: "at the first token of all" },
  { key: "separators", name: "rests on separators", about: "at the other special tokens" },
] as const;

export function Heads({ scenes: { pair, first, second }, palette }: ChapterProps) {
  const [chosen, choose] = useState(0);
  const found = HABITS.map((habit) => ({ ...habit, head: strongest(pair.trace, habit.key) }));
  const habit = found[chosen];
  const others = [first.trace, second.trace].map((trace) => metric(trace, habit.head, habit.key));
  const elsewhere = [first.trace, second.trace].map((trace) => strongest(trace, habit.key));
  const keeps = elsewhere.filter((id) => id.layer === habit.head.layer && id.head === habit.head.head).length;
  const { layers, heads } = pair.trace;
  return (
    <>
      <div class="prose">
        <p>
          One head is one way to look. This model has {layers} layers with {heads} heads each,{" "}
          <Live of="heads">{layers * heads}</Live> in all. They work side by side: in every layer each head blends values
          by weights of its own, and what they found is joined and added to the token’s vector. Then the next layer
          looks, at tokens that already know something of each other.
        </p>
        <p>
          Nobody told a head what to look for. Still, some have habits, which can be measured: for each row, how much of
          the weight goes to the token before? And the mean over the rows of all words? The table names, for five such questions, the
          head of this very text with the highest answer. Click one, and the picture draws it: a token at the left looks
          at those at the right, the stronger the line, the larger the weight.
        </p>
        <p>
          Take care with names. The head that {habit.name} has{" "}
          <Live of="here">{percent(metric(pair.trace, habit.head, habit.key))}</Live> of its weight there in this text,
          and {others.map((value, i) => (i ? ` and ${percent(value)}` : percent(value)))} in the two sentences of chapter
          3. {["In neither of them is it the one with most.", "In one of them it is again the one with most.", "In both it is again the one with most."][keeps]}{" "}
          With three short texts that is a hint, no more: a habit is only known when it holds over many texts of many
          kinds, and even then it says where a head looks, not what for.
        </p>
      </div>
      <Figure
        name="heads"
        caption={
          <>
            For each habit the head with the largest mean share of the weight, over the rows of all words of sentences A
            and B (those of special tokens are left out); and the same head’s share in the two sentences of chapter 3. Below, the chosen head in the workbench’s head view.
          </>
        }
      >
        <table class="rows pickable" data-testid="habits">
          <thead>
            <tr>
              <th scope="col">habit</th>
              <th scope="col">layer·head</th>
              <th scope="col" class="number">
                here
              </th>
              <th scope="col" class="number">
                first
              </th>
              <th scope="col" class="number">
                second
              </th>
            </tr>
          </thead>
          <tbody>
            {found.map(({ key, name, about, head }, i) => (
              <tr key={key} data-habit={key} data-on={i === chosen}>
                <th scope="row">
                  <button class="plain" aria-pressed={i === chosen} title={`Weight that goes ${about}`} onClick={() => choose(i)}>
                    {name}
                  </button>
                </th>
                <td>
                  {head.layer}·{head.head}
                </td>
                {[pair, first, second].map(({ trace }, j) => (
                  <td class="number" key={j}>
                    {percent(metric(trace, head, key))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        <SceneView scene={pair} head={habit.head} query={null} palette={palette} View={HeadView} height={460} />
      </Figure>
    </>
  );
}

function strongest(trace: Trace, key: string): HeadId {
  return allHeads(trace.parts[0]).reduce((best, id) => (metric(trace, id, key) > metric(trace, best, key) ? id : best));
}
