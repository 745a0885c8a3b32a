/** How a piece is shown: as text, with signs for what text does not show. */

export interface Run {
  text: string;
  /** "join": continues a word; "sign": stands for something invisible. */
  as: "text" | "join" | "sign";
}

/** Longer pieces are cut on screen; the token table's tooltip has more of them. */
const LONGEST = 64;

const SIGNS: Record<string, string> = {
  " ": "␣",
  "\u0120": "␣", // byte-level BPE writes a space so
  "\u2581": "␣", // and SentencePiece so
  "\u00a0": "⍽",
  "\n": "⏎",
  "\u010a": "⏎",
  "\r": "␍",
  "\t": "⇥",
  "\u0109": "⇥",
  "\u00ad": "SHY",
  "\u061c": "ALM",
  "\u200b": "ZWSP",
  "\u200c": "ZWNJ",
  "\u200d": "ZWJ",
  "\u200e": "LRM",
  "\u200f": "RLM",
  "\u2028": "LS",
  "\u2029": "PS",
  "\u202a": "LRE",
  "\u202b": "RLE",
  "\u202c": "PDF",
  "\u202d": "LRO",
  "\u202e": "RLO",
  "\u2060": "WJ",
  "\u2066": "LRI",
  "\u2067": "RLI",
  "\u2068": "FSI",
  "\u2069": "PDI",
  "\ufeff": "BOM",
};

/** The runs in which to show `piece`. */
export function runsOf(piece: string): Run[] {
  const isJoined = piece.startsWith("##") && piece.length > 2;
  return isJoined ? [{ text: "##", as: "join" }, ...textRuns(piece.slice(2))] : textRuns(piece);
}

/** The runs in which to show text, cut behind `longest` characters. */
export function textRuns(text: string, longest = LONGEST): Run[] {
  const characters = [...text.slice(0, 2 * longest)];
  const runs: Run[] = [];
  characters.slice(0, longest).forEach((character, i) => {
    const sign = signOf(character, characters, i);
    const last = runs[runs.length - 1];
    if (sign) runs.push({ text: sign, as: "sign" });
    else if (last?.as === "text") last.text += character;
    else runs.push({ text: character, as: "text" });
  });
  if (characters.length > longest) runs.push({ text: "…", as: "sign" });
  return runs;
}

/** `piece` as a plain string, for names and tooltips. */
export function plain(piece: string): string {
  return runsOf(piece)
    .map(({ text }) => text)
    .join("");
}

function signOf(character: string, all: string[], at: number): string | null {
  if (character === " " && at > 0 && at + 1 < all.length) return null; // between words it is plain to see
  // Between two characters a zero-width joiner shapes them (emoji, Indic scripts): leave it.
  const joins = (character === "\u200d" || character === "\u200c") && at > 0 && at + 1 < all.length;
  if (joins) return null;
  const code = character.codePointAt(0)!;
  if (code < 0x20 && !(character in SIGNS)) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return SIGNS[character] ?? null;
}
