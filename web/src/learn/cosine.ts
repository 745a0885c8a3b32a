/** How alike two vectors are: 1 when they point the same way, 0 at a right angle. */
export function cosine(a: Float32Array, b: Float32Array): number {
  const lengths = Math.sqrt(product(a, a) * product(b, b));
  return lengths === 0 ? 0 : product(a, b) / lengths;
}

export function norm(a: Float32Array): number {
  return Math.sqrt(product(a, a));
}

/** The largest difference of two numbers at the same place. */
export function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
