/** The numbers on screen, for other programs. */

import { headTitle } from "../model/trace";
import type { Picture } from "../picture";
import { plain } from "../model/piece";

interface Row {
  layer: string;
  head: number;
  query: number;
  query_token: string;
  key: number;
  key_token: string;
  weight: number;
}

/** Every edge that is drawn: rows of the tokens shown, as the switches leave them. */
function rowsOf({ trace, part, heads, weights, shown, shows }: Picture): Row[] {
  const n = part.keys.length;
  return heads.flatMap(({ layer, head }, of) =>
    shown.query.flatMap((query) =>
      shown.key.flatMap((key) => {
        const weight = weights[of][query * n + key];
        if (!(weight > 0) || !shows(query, key)) return [];
        return {
          layer: trace.blocks[layer],
          head,
          query,
          query_token: part.queries[query].piece,
          key,
          key_token: part.keys[key].piece,
          weight,
        };
      }),
    ),
  );
}

/** A table of edges, by RFC 4180; weights have all digits of their single precision. */
export function toCsv(picture: Picture): string {
  const rows = rowsOf(picture);
  const header = ["layer", "head", "query", "query_token", "key", "key_token", "weight"] as const;
  const lines = rows.map((row) => header.map((name) => cell(row[name])).join(","));
  return [header.join(","), ...lines, ""].join("\r\n");
}

/** A spreadsheet takes text that begins with one of these for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const harmless = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** The same with the model, the texts, and what the switches have done. */
export function toJson(picture: Picture, switches: Record<string, unknown>): string {
  const { trace, part, removed, kept, strongest, within } = picture;
  const tokens = (of: typeof part.keys) =>
    of.map(({ id, piece, special, segment }) => ({ id, piece, special, segment }));
  return JSON.stringify(
    {
      model: trace.card,
      texts: trace.texts,
      ...(within && { weights_within: Number(within) }),
      switches,
      share: { removed_with_special_tokens: removed, kept_by_edge_filter: kept, of_drawn_edges: strongest },
      queries: tokens(part.queries),
      keys: tokens(part.keys),
      edges: rowsOf(picture),
    },
    null,
    1,
  );
}

/** A name for a file with this picture. */
export function fileName({ trace, heads, focused }: Picture, view: string, ending: string): string {
  const words = `${trace.card.id} ${headTitle(trace, heads[focused])} ${view}`;
  return `${plain(words).toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 80)}.${ending}`;
}
