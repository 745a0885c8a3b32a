/** The numbers behind the picture: for one head and one token, or for the whole head. */

import { useMemo } from "preact/hooks";
import { useCell } from "../cell";
import { headInk, type Palette } from "../colours";
import { kindsOf, massByKind, percentages, type Slice, strongest } from "../model/measure";
import { type HeadId, headName, headTitle, isSelf, type Part, partAt, type Token, type Trace } from "../model/trace";
import { activeSlice, type Picture } from "../picture";
import type { Session } from "../session";
import { ordinal, type Standing, standings } from "./rank";
import { Difference } from "./difference";
import { Expected } from "./expected";
import { Group } from "./group";
import { Piece } from "./piece";

interface Props {
  session: Session;
  picture: Picture;
  palette: Palette;
}

/** What the kinds are called among the patches of an image. */
const OF_PATCHES: Record<string, string> = { separators: "special tokens", same: "other patches" };

const EDGES = 6;
const WHOLE: Slice = { query: null, key: null };

export function Inspector({ session, other, picture, palette }: Props & { other: Session | null }) {
  const hover = useCell(session.hover);
  const { focus } = useCell(session.state);
  const refined = useCell(session.refined);
  const slice = activeSlice(hover, focus);
  const id = picture.heads[picture.focused];
  const pinned = !hover && slice !== null;
  return (
    <section class="inspector" aria-label="Inspector" data-testid="inspector" tabIndex={0}>
      <h2 class="title">{headTitle(picture.trace, id)}</h2>
      <p class="subject" data-testid="subject">
        <Subject slice={slice} part={picture.part} of={picture.trace.image ? "image" : "text"} />
        {pinned && <span class="pinned"> · pinned</span>}
        {picture.renormalised && <span class="pinned"> · renormalised</span>}
      </p>
      <Strongest slice={slice ?? WHOLE} picture={picture} palette={palette} refined={slice ? refined : 0} />
      <Mass slice={slice ?? WHOLE} picture={picture} refined={slice ? refined : 0} />
      {slice?.query != null && <Expected trace={picture.trace} part={picture.part} index={slice.query} />}
      {other && <Difference session={session} other={other} picture={picture} />}
      <Metrics trace={picture.trace} id={id} />
    </section>
  );
}

/** What the numbers are about, in words. */
function Subject({ slice, part, of }: { slice: Slice | null; part: Part; of: "text" | "image" }) {
  const { queries, keys } = part;
  if (!slice) return <>strongest weights of the whole {isSelf(part) ? of : "target"}</>;
  const { query, key } = slice;
  if (query !== null && key !== null)
    return (
      <>
        <Quoted token={queries[query]} /> attends to <Quoted token={keys[key]} />
      </>
    );
  if (query !== null)
    return (
      <>
        <Quoted token={queries[query]} /> attends to
      </>
    );
  return (
    <>
      <Quoted token={keys[key!]} /> is attended to by
    </>
  );
}

function Quoted({ token }: { token: Token }) {
  return (
    <span class="quoted">
      “<Piece of={token.piece} />”
    </span>
  );
}

// ---- the strongest edges ------------------------------------------------------------------

/** What numbers are of; they are taken anew when more digits have come. */
interface Of {
  slice: Slice;
  picture: Picture;
  refined: number;
}

function Strongest({ slice, picture, palette, refined }: Of & { palette: Palette }) {
  const { trace, part, weights, heads, shows, shown } = picture;
  const edges = useMemo(() => {
    const [queries, keys] = [new Set(shown.query), new Set(shown.key)];
    const drawn = (query: number, key: number) => queries.has(query) && keys.has(key) && shows(query, key);
    return strongest(weights, part, slice, EDGES, drawn);
  }, [slice.query, slice.key, picture, refined]);
  const many = heads.length > 1;
  return (
    <ol
      class="edges"
      data-testid="strongest"
      data-many={many}
      data-from={slice.query !== null ? "query" : slice.key !== null ? "key" : "text"}
    >
      {edges.map(({ query, key, of, weight }) => (
        <li key={`${query} ${key} ${of}`}>
          <span class="ends">
            {many && (
              <HeadSign
                name={headName(trace, heads[of])}
                colour={headInk(of, heads.length, palette).colour}
              />
            )}
            {slice.query === null && <Piece of={part.queries[query].piece} />}
            {slice.query === null && slice.key === null && <span class="arrow">→</span>}
            {slice.key === null && <Piece of={part.keys[key].piece} />}
            {slice.query !== null && slice.key !== null && <Piece of={part.keys[key].piece} />}
          </span>
          <span class="bar">
            <i
              style={{
                width: `${weight * 100}%`,
                background: many ? headInk(of, heads.length, palette).colour : undefined,
              }}
            />
          </span>
          <span class="figure">{weight.toFixed(3)}</span>
        </li>
      ))}
      {edges.length === 0 && <li class="none">No edge here passes the filter.</li>}
    </ol>
  );
}

function HeadSign({ name, colour }: { name: string; colour: string }) {
  return (
    <span class="headsign">
      <i style={{ background: colour }} />
      {name}
    </span>
  );
}

// ---- where the weight goes ----------------------------------------------------------------

function Mass({ slice, picture, refined }: Of) {
  const { trace, part, raw, focused } = picture;
  const mass = useMemo(() => massByKind(raw[focused], part, slice), [raw, focused, slice.query, slice.key, refined]);
  const total = mass.reduce((sum, part) => sum + part, 0);
  const shares = percentages(mass);
  const kinds = kindsOf(part).map((kind) => ({ ...kind, share: shares[kind.index] }));
  return (
    <Group title={<MassTitle slice={slice} part={part} />} value={massValue(slice, total, part.queries.length)}>
      <div class="mass" aria-hidden="true">
        {kinds.map(({ key, share }) => (
          <i key={key} class={`kind ${key}`} style={{ width: `${share}%` }} />
        ))}
      </div>
      <dl class="kinds" data-testid="kinds">
        {kinds.map(({ key, label, share }) => (
          <div key={key} data-kind={key}>
            <dt>
              <i class={`kind ${key}`} /> {(trace.image && OF_PATCHES[key]) || label}
            </dt>
            <dd class="figure">{share.toFixed(1)} %</dd>
          </div>
        ))}
      </dl>
    </Group>
  );
}

function MassTitle({ slice: { query, key }, part }: { slice: Slice; part: Part }) {
  if (query !== null)
    return (
      <>
        The weight of <Quoted token={part.queries[query]} />
      </>
    );
  if (key !== null)
    return (
      <>
        The weight on <Quoted token={part.keys[key]} />
      </>
    );
  return <>The weight of this head</>;
}

/** A row's weights add up to 1 (less with a learned sink); a column's to anything. */
function massValue({ query, key }: Slice, total: number, n: number): string {
  if (query !== null) return total > 0.9995 ? "100 %" : `${(total * 100).toFixed(1)} %`;
  if (key !== null) return `${total.toFixed(2)} of ${n}`;
  return "100 %";
}

// ---- metrics ------------------------------------------------------------------------------

function Metrics({ trace, id }: { trace: Trace; id: HeadId }) {
  const { layers, heads } = partAt(trace, id.layer);
  const one = trace.image ? "image" : "text";
  return (
    <Group title={`This head, this ${one}`} value={`among ${layers.length * heads}`}>
      <dl class="metrics">
        {standings(trace, id).map((standing) => (
          <div key={standing.metric.key} title={standing.metric.about}>
            <dt>
              {standing.metric.label}
              {standing.metric.unit && `, ${standing.metric.unit}`}
            </dt>
            <dd>
              <Strip standing={standing} />
              <span class="figure">{figure(standing.value)}</span>
              <span class="rank">{ordinal(standing.rank)}</span>
            </dd>
          </div>
        ))}
      </dl>
      <p class="caution">
        From this {one} alone. Look at many {one}s before you name a head.
      </p>
    </Group>
  );
}

/** A metric's value with as many digits as fit its column. */
function figure(value: number): string {
  return value.toFixed(value < 100 ? 2 : 0);
}

/** All heads as ticks from the lowest value to the highest; this one stands out. */
function Strip({ standing: { value, values } }: { standing: Standing }) {
  const { path, at } = useMemo(() => {
    const most = values.reduce((max, of) => (of > max ? of : max), 0) || 1;
    const x = (of: number) => (1 + (of / most) * 38).toFixed(1);
    return {
      path: values
        .filter((of) => of >= 0)
        .map((of) => `M${x(of)} 3V9`)
        .join(""),
      at: x(value),
    };
  }, [values, value]);
  return (
    <svg class="strip" width="40" height="12" aria-hidden="true">
      <path class="ticks" d={path} />
      <path class="tick" d={`M${at} 0V12`} />
    </svg>
  );
}
