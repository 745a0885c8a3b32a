/** One head's weights less another's, or less the same head's on another text. */

import { type Mask, headTitle } from "../../model/trace";
import type { Picture } from "../../picture";

/** What is taken from the weights of the focused head. */
export interface Taken {
  /** [queries, keys], as many as it is taken from. */
  weights: Float32Array;
  mask: Mask;
  /** Whose they are, in words. */
  title: string;
}

/** The other one of two heads that are drawn. */
export function otherHead(picture: Picture): Taken | null {
  return picture.heads.length === 2 ? takenFrom(picture, 1 - picture.focused, headTitle) : null;
}

/** The same head on another text of as many tokens; they are compared place by place. */
export function sameHeadOf(other: Picture, picture: Picture): Taken | null {
  const count = ({ part }: Picture) => `${part.queries.length} ${part.keys.length}`;
  return count(other) === count(picture) ? takenFrom(other, other.focused, () => "the other text") : null;
}

function takenFrom({ trace, heads, weights }: Picture, index: number, titleOf: typeof headTitle): Taken {
  const id = heads[index];
  return { weights: weights[index], mask: trace.rules[id.layer].mask, title: titleOf(trace, id) };
}

export function differences(weights: Float32Array, taken: Float32Array): Float32Array {
  return weights.map((weight, i) => weight - taken[i]);
}
