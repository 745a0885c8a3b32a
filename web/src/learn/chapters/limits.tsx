/** Chapter 9: what a weight does not tell. */

import { useMemo } from "preact/hooks";
import { plain } from "../../model/piece";
import { Piece } from "../../parts/piece";
import type { ChapterProps } from ".";
import { headOf, queryOf } from "../choice";
import { norm } from "../cosine";
import { Bar } from "../figures/bar";
import { Figure, Live } from "../figures/figure";
import { HeadPicker, TokenPicker } from "../figures/pickers";

export function Limits(props: ChapterProps) {
  const { scenes, place } = props;
  const { pair } = scenes;
  const head = headOf(place, scenes);
  const query = queryOf(place, scenes);
  const n = pair.tokens.length;
  const { weights, lengths, shares } = useMemo(() => {
    const weights = pair.pattern(head).subarray(query * n, (query + 1) * n);
    const values = pair.values(head);
    const width = values.length / n;
    const lengths = pair.tokens.map((_, key) => norm(values.subarray(key * width, (key + 1) * width)));
    const parts = lengths.map((length, key) => length * weights[key]);
    const total = parts.reduce((sum, part) => sum + part, 0);
    return { weights, lengths, shares: parts.map((part) => part / (total || 1)) };
  }, [pair, head.layer, head.head, query]);
  const longest = Math.max(...lengths);
  const moved = shares.map((share, key) => share - weights[key]);
  const least = moved.indexOf(Math.min(...moved));
  const name = plain(pair.tokens[query].piece);
  return (
    <>
      <div class="prose">
        <p>
          A weight says how much of a token’s value is taken. It does not say how much there was to take. The value of
          “<Piece of={pair.tokens[least].piece} />” has weight{" "}
          <Live of="least-weight">{weights[least].toFixed(3)}</Live> in this row; but it is{" "}
          {lengths[least] < longest ? "a short vector" : "the longest vector"}, and of what is added up its share is{" "}
          <Live of="least-share">{shares[least].toFixed(3)}</Live>. Special tokens often have short values: much looked
          at, little taken.
        </p>
        <p>
          Even that is not importance. What a head found is multiplied once more and added to a vector that goes around
          the head as well; a second step in each layer, which looks at no other token, changes it again; and later
          layers can use it, undo it or ignore it. Whether a token mattered for an answer is another question: one would
          have to change it and see.
        </p>
        <p>
          So read a picture of attention as what it is: <em>where a head looked</em>. Good for questions. Not a reason
          that the model had.
        </p>
        <h3>Where to read on</h3>
        <ul class="papers">
          <li>Vaswani and others, Attention Is All You Need, 2017 (arXiv 1706.03762): the mechanism.</li>
          <li>Devlin and others, BERT, 2018 (1810.04805).</li>
          <li>Clark and others, What Does BERT Look At?, 2019 (1906.04341): habits of heads, and the separators.</li>
          <li>Jain and Wallace, Attention Is Not Explanation, 2019 (1902.10186).</li>
          <li>Wiegreffe and Pinter, Attention Is Not Not Explanation, 2019 (1908.04626): the answer to it.</li>
          <li>Kobayashi and others, Attention Is Not Only a Weight, 2020 (2004.10102): the lengths of values.</li>
          <li>Xiao and others, Efficient Streaming Language Models with Attention Sinks, 2023 (2309.17453).</li>
        </ul>
      </div>
      <Figure
        name="limits"
        caption={
          <>
            The row of “{name}” in layer {head.layer}, head {head.head}: its weights, the length of each value (the square
            root of the sum of its squares), and the share of weight times length. The table by which the head’s result is
            then multiplied is left out here.
          </>
        }
      >
        <TokenPicker {...props} label="Who looks" />
        <HeadPicker {...props} />
        <div class="table-scroll" tabIndex={0} role="region" aria-label="Weights and lengths of values">
          <table class="rows" data-testid="lengths">
            <thead>
              <tr>
                <th scope="col">value of</th>
                <th scope="col" class="wide" colSpan={2}>
                  weight
                </th>
                <th scope="col" class="number">
                  length of v
                </th>
                <th scope="col" class="wide" colSpan={2}>
                  weight × length
                </th>
              </tr>
            </thead>
            <tbody>
              {pair.tokens.map(({ piece }, key) => (
                <tr key={key} data-key={key}>
                  <th scope="row">
                    <Piece of={piece} />
                  </th>
                  <td class="wide">
                    <Bar share={weights[key]} />
                  </td>
                  <td class="number">{weights[key].toFixed(3)}</td>
                  <td class="number">{lengths[key].toFixed(3)}</td>
                  <td class="wide">
                    <Bar share={shares[key]} before={weights[key]} kind="key" />
                  </td>
                  <td class="number">{shares[key].toFixed(3)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Figure>
    </>
  );
}
