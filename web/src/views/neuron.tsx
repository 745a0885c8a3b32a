/** The neuron view: of one query and one key, every step from their vectors to the weight, as numbers that add up. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { useCell } from "../cell";
import { visibleKeys } from "../model/attention";
import { linesOf, type Neuron, neuronOf, printWeight, rowOf } from "../model/neuron";
import { type HeadId, isSelf, type Token } from "../model/trace";
import { neededBy, type VectorName, type Vectors } from "../model/vectors";
import { Piece } from "../parts/piece";
import type { Picture } from "../picture";
import type { Session } from "../session";
import type { State } from "../state";
import { TokenList } from "./neuron/list";
import { Missing } from "./neuron/missing";
import { RowChart } from "./neuron/row";
import { Strips } from "./neuron/strips";
import { Sum } from "./neuron/sum";

export function NeuronView({ session, picture }: { session: Session; picture: Picture }) {
  const { part, shown } = picture;
  const { focus } = useCell(session.state);
  const pattern = picture.raw[picture.focused];
  const pair = useMemo(() => pairOf(picture, focus), [picture, focus.query, focus.key]);
  const weights = useMemo(
    () => pattern.subarray(pair.query * part.keys.length, (pair.query + 1) * part.keys.length),
    [pattern, pair.query, part],
  );
  const choose = (change: Partial<State["focus"]>) =>
    session.update((state) => ({ ...state, focus: { ...state.focus, ...change } }));
  const self = isSelf(part);
  return (
    <div class="neuron" data-testid="neuron-view">
      <div class="lists">
        <TokenList
          side="query"
          label={self ? "query" : "query, of the target"}
          tokens={part.queries}
          shown={shown.query}
          chosen={pair.query}
          onChoose={(query) => choose({ query })}
        />
        <TokenList
          side="key"
          label={self ? "key" : "key, of the source"}
          tokens={part.keys}
          shown={shown.key}
          chosen={pair.key}
          weights={weights}
          onChoose={(key) => choose({ query: pair.query, key })}
        />
      </div>
      <div class="detail" tabIndex={0} role="region" aria-label="From query and key to the weight">
        <Title query={part.queries[pair.query]} token={part.keys[pair.key]} weight={weights[pair.key]} note={pair.note} />
        <Detail session={session} picture={picture} pair={pair} onChoose={(key) => choose({ query: pair.query, key })} />
      </div>
    </div>
  );
}

interface TitleProps {
  query: Token;
  token: Token;
  weight: number;
  note: string;
}

function Title({ query, token, weight, note }: TitleProps) {
  return (
    <>
      <h2 class="pair" data-testid="neuron-pair">
        <span class="asks">
          <Piece of={query.piece} />
        </span>
        <span class="label">attends to</span>
        <span class="asked">
          <Piece of={token.piece} />
        </span>
        <span class="label">with weight</span>
        <span class="figure">{printWeight(weight)}</span>
      </h2>
      <p class="quiet" data-testid="neuron-note">
        {note}
      </p>
    </>
  );
}

interface DetailProps {
  session: Session;
  picture: Picture;
  pair: Pair;
  onChoose: (key: number) => void;
}

/** What is complete is drawn; until the next head's vectors are there, the last one stays. */
function Detail({ session, picture, pair, onChoose }: DetailProps) {
  const shown = useCell(session.shown);
  useCell(session.arrivals);
  const refined = useCell(session.refined);
  const id = picture.heads[picture.focused];
  const vectors = shown?.trace === picture.trace ? shown.vectors(id) : undefined;
  useLayoutEffect(() => session.askForVectors(id), [session, shown, picture.trace, id.layer, id.head]);
  useLayoutEffect(() => session.askForDigits(pair), [session, picture, pair.query, pair.key, refined]);
  const drawn = useRef<{ picture: Picture; id: HeadId; vectors: Vectors } | null>(null);
  if (vectors) drawn.current = { picture, id, vectors };
  else if (drawn.current?.picture.part !== picture.part) drawn.current = null;
  if (!drawn.current) {
    return (
      <p class="quiet" role="status">
        Reading queries and keys…
      </p>
    );
  }
  const { id: of, picture: from } = drawn.current;
  const rule = from.trace.rules[of.layer];
  const missing = neededBy(rule).filter((name) => !drawn.current!.vectors[name]);
  if (missing.length > 0) return <Missing trace={from.trace} layer={of.layer} missing={missing} />;
  return <Steps {...drawn.current} picture={from} pair={pair} onChoose={onChoose} />;
}

type StepsProps = Omit<DetailProps, "session"> & { id: HeadId; vectors: Vectors };

function Steps({ picture, id, vectors, pair: { query, key }, onChoose }: StepsProps) {
  const { trace, part, raw, focused } = picture;
  const neuron = useMemo(
    () => neuronOf(trace.rules[id.layer], id.head, part, vectors as Neuron["vectors"]),
    [trace, part, vectors],
  );
  const row = useMemo(() => rowOf(neuron, query), [neuron, query]);
  const weight = raw[focused][query * part.keys.length + key];
  const lines = useMemo(() => linesOf(neuron, query, key, row, weight), [neuron, row, key, weight]);
  const unturned = (["q_pre", "k_pre"] as VectorName[]).filter((name) => trace.leftOut.includes(name));
  return (
    <>
      <Strips neuron={neuron} query={query} keyIndex={key} />
      {unturned.length > 0 && (
        <p class="quiet">q and k before rotation were left out of this page for its size; the app shows them.</p>
      )}
      <Sum lines={lines} />
      <RowChart neuron={neuron} query={query} keyIndex={key} row={row} onChoose={onChoose} />
    </>
  );
}

// ---- which pair ---------------------------------------------------------------------------

interface Pair {
  query: number;
  key: number;
  /** Who chose it. */
  note: string;
}

/** The pinned pair; for what is not pinned the strongest there is. */
function pairOf({ trace, part, raw, focused, heads, shown }: Picture, { query, key }: State["focus"]): Pair {
  const n = part.keys.length;
  const weight = (q: number, k: number) => raw[focused][q * n + k];
  const best = (of: number[], value: (index: number) => number) =>
    of.reduce((most, index) => (value(index) > value(most) ? index : most), of[0] ?? 0);
  const strongest = (q: number) => best(shown.key, (k) => weight(q, k));
  if (query !== null && key !== null) return { query, key, note: "pinned" };
  if (query !== null) return { query, key: strongest(query), note: "default key: the strongest of this query" };
  if (key !== null) {
    return { query: best(shown.query, (q) => weight(q, key)), key, note: "default query: the one with most weight on this key" };
  }
  // A row of one key has all its weight there and says nothing; words say more than signs.
  const { mask } = trace.rules[heads[focused].layer];
  const free = shown.query.filter((q) => {
    const [start, end] = visibleKeys(mask, q, n);
    return end - start > 1;
  });
  const words = free.filter((q) => !part.queries[q].special);
  const rows = words.length ? words : free.length ? free : shown.query;
  const sharpest = best(rows, (q) => weight(q, strongest(q)));
  return { query: sharpest, key: strongest(sharpest), note: "default: the strongest key of the sharpest row" };
}
