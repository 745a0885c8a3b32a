/** Chapter 4: one token in three roles, by three vectors. */

import { useMemo } from "preact/hooks";
import { print, termsOf } from "../../model/neuron";
import { plain } from "../../model/piece";
import { Piece } from "../../parts/piece";
import type { ChapterProps } from ".";
import { headOf, queryOf } from "../choice";
import { Figure, Live } from "../figures/figure";
import { HeadPicker, TokenPicker } from "../figures/pickers";
import { Vectors } from "../figures/vector";

export function Roles(props: ChapterProps) {
  const { scenes, place } = props;
  const { pair } = scenes;
  const head = headOf(place, scenes);
  const query = queryOf(place, scenes);
  const neuron = useMemo(() => pair.neuron(head), [pair, head.layer, head.head]);
  const values = useMemo(() => pair.values(head), [pair, head.layer, head.head]);
  const { width, vectors } = neuron;
  const of = (all: Float32Array, token: number) => all.subarray(token * width, (token + 1) * width);
  const fits = pair.tokens.map((_, key) => termsOf(neuron, query, key).dot);
  const order = [...fits.keys()].sort((a, b) => fits[b] - fits[a]);
  const most = Math.max(...fits.map(Math.abs));
  const name = plain(pair.tokens[query].piece);
  return (
    <>
      <div class="prose">
        <p>
          Think of a library. You come with a question in mind: the <em>query</em>. Each book has a card that says what
          it is about: its <em>key</em>. What stands in the book is its <em>value</em>. You compare your question with
          the cards, and where a card fits, you read the book.
        </p>
        <p>
          Attention does the same with two differences. Nobody picks one book: all are read, each as far as its card
          fits. And every token is reader and book at once, so each has all three: what I look for, what is on my card,
          what is in my book.
        </p>
        <p>
          They are three short vectors, made from the token’s long one by three learned tables of numbers. One set of
          such tables is a <em>head</em>. This head makes <Live of="d-head">{width}</Live> numbers for each role; the
          layer has {pair.trace.heads} heads, each with tables of its own.
        </p>
        <p>
          Whether a card fits is one number, the <em>product</em> of query and key: multiply them number by number, add
          everything up, write q·k. Large when they point the same way. Of all cards, that of “
          <Piece of={pair.tokens[order[0]].piece} />” fits the question of “{name}” best:{" "}
          <Live of="best">{print(fits[order[0]], 2)}</Live>.
        </p>
      </div>
      <Figure
        name="roles"
        caption={
          <>
            Query, key and value of “{name}” in layer {head.layer}, head {head.head}, as the model computed them, and the
            product of its query with the key of every token, sorted. Nothing is scaled or hidden yet.
          </>
        }
      >
        <TokenPicker {...props} label="Whose vectors" />
        <HeadPicker {...props} />
        <Vectors
          of={[
            { name: "q", values: of(vectors.q, query) },
            { name: "k", values: of(vectors.k, query) },
            { name: "v", values: of(values, query) },
          ]}
        />
        <table class="rows" data-testid="fits">
          <caption>The question of “{name}”, held against every card</caption>
          <thead>
            <tr>
              <th scope="col">key of</th>
              <th scope="col" class="wide" colSpan={2}>
                q·k
              </th>
            </tr>
          </thead>
          <tbody>
            {order.map((key) => (
              <tr key={key}>
                <th scope="row">
                  <Piece of={pair.tokens[key].piece} />
                </th>
                <td class="wide">
                  <Signed value={fits[key]} most={most} />
                </td>
                <td class="number" data-fit={key}>
                  {print(fits[key], 3)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Figure>
    </>
  );
}

/** A number as a bar to the right of the middle, or to the left. */
function Signed({ value, most }: { value: number; most: number }) {
  const share = (Math.abs(value) / (most || 1)) * 50;
  return (
    <span class="signed" aria-hidden="true">
      <i data-negative={value < 0} style={{ width: `${share}%` }} />
    </span>
  );
}
