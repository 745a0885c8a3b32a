/** Four places, or for the smallest as many digits as tell them from 0. */
export function exact(weight: number): string {
  return weight === 0 || weight >= 0.0005 ? weight.toFixed(4) : weight.toExponential(1);
}

/** The same of a difference, with its sign. */
export function exactDifference(weight: number): string {
  return (weight < 0 ? "−" : weight > 0 ? "+" : "") + exact(Math.abs(weight));
}
