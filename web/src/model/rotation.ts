/** Rotary positions, found in queries and keys before and after: which dimensions turn together, and by how much. */

/** Two dimensions that turn together. */
export interface Turned {
  /** The two, as places in a head. */
  dimensions: [number, number];
  /** Their part of the product before rotation, and after. */
  before: number;
  after: number;
  /** By how much the query turned against the key, in radians from −π to π. */
  angle: number;
}

type Pairs = [number, number][];

/** Norms of a pair before and after agree to this share. */
const TOLERANCE = 1e-3;
/** So many tokens tell how dimensions are paired. */
const TOKENS = 8;

/**
 * The pairs of dimensions that turn: halves (0 with d / 2) or neighbours (0 with 1), of all dimensions or the first
 * few. What is right keeps the length of every pair, up to one factor for all; null where nothing does, or nothing turns.
 */
export function pairsOf(before: Float32Array, after: Float32Array, width: number): Pairs | null {
  const turned = lastTurned(before, after, width);
  if (turned < 0) return null;
  for (let r = width - (width % 2); r > turned; r -= 2) {
    const halves = Array.from({ length: r / 2 }, (_, i): [number, number] => [i, i + r / 2]);
    const neighbours = halves.map(([i]): [number, number] => [2 * i, 2 * i + 1]);
    const found = [halves, neighbours].find((pairs) => keepsLengths(pairs, before, after, width));
    // Neighbours that stay keep their length too.
    if (found) return found === neighbours ? found.filter(([i]) => i <= turned) : found;
  }
  return null;
}

function lastTurned(before: Float32Array, after: Float32Array, width: number): number {
  let last = -1;
  before.forEach((value, i) => {
    if (value !== after[i]) last = Math.max(last, i % width);
  });
  return last;
}

function keepsLengths(pairs: Pairs, before: Float32Array, after: Float32Array, width: number): boolean {
  const tokens = before.length / width;
  const rest = width - 2 * pairs.length;
  const step = Math.max(1, Math.floor(tokens / TOKENS));
  let factor = rest > 0 ? 1 : Number.NaN; // dimensions that stay tell that nothing grew, or else the first pair tells
  for (let token = 0; token < tokens; token += step) {
    for (const [a, b] of pairs) {
      const [i, j] = [token * width + a, token * width + b];
      const length = Math.hypot(before[i], before[j]);
      if (length < 1e-6) continue;
      const ratio = Math.hypot(after[i], after[j]) / length;
      if (Number.isNaN(factor)) factor = ratio;
      if (Math.abs(ratio / factor - 1) > TOLERANCE) return false;
    }
  }
  return true;
}

/** What each pair of dimensions does to one product. */
export function turnsOf(
  pairs: Pairs,
  [q_pre, q, k_pre, k]: Float32Array[],
  query: number,
  key: number,
  width: number,
): Turned[] {
  const [x, y] = [query * width, key * width];
  return pairs.map(([a, b]) => {
    const turn = (from: Float32Array, to: Float32Array, at: number) =>
      Math.atan2(to[at + b], to[at + a]) - Math.atan2(from[at + b], from[at + a]);
    const angle = turn(q_pre, q, x) - turn(k_pre, k, y);
    return {
      dimensions: [a, b],
      before: q_pre[x + a] * k_pre[y + a] + q_pre[x + b] * k_pre[y + b],
      after: q[x + a] * k[y + a] + q[x + b] * k[y + b],
      angle: Math.atan2(Math.sin(angle), Math.cos(angle)),
    };
  });
}
