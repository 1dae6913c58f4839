/** Range of numbers whose squares, and sums of squares, are accurate in float64. */
const LEAST = 2 ** -400;
const MOST = 2 ** 400;

/** Returns the largest absolute value of the first `length` values, or 0 if there are none. */
export function largestOf(values: Float64Array, length: number): number {
  let largest = 0;
  for (let i = 0; i < length; i++) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
}

/**
 * Returns a power of two that scales numbers up to `largest` to about 1. Returns 1 if their squares
 * neither underflow nor overflow. Multiplying by the power is exact.
 */
export function rangeScale(largest: number): number {
  if ((largest >= LEAST && largest <= MOST) || largest === 0 || !Number.isFinite(largest)) return 1;
  // The limit 2^1022 keeps the scale and its inverse finite.
  return 2 ** -Math.max(-1022, Math.min(1022, Math.floor(Math.log2(largest))));
}

/** Multiplies the first `length` values by `factor`. */
export function multiply(values: Float64Array, length: number, factor: number): void {
  if (factor !== 1) for (let i = 0; i < length; i++) values[i] *= factor;
}
