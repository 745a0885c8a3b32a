/** A share from 0 to 1 as a percentage, with a digit behind the point where that says something. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value.toFixed(1)} %`;
}
