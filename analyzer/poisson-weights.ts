/*
 * Number of times that a bootstrap replicate draws a row: Poisson(1), the limit of drawing n of n
 * rows with replacement. It is a pure function of (seed, replicate, row), so any part of a sample
 * has its own weights (docs/method.md).
 *
 *     u = mix(mix(mix(seed) ⊕ replicate) ⊕ mix(row)), all of 32 bits;
 *     w = number of j in 0 … 12 with ⌊2³²·P(X ≤ j)⌋ ≤ u, X ~ Poisson(1): the inverse of its
 *         distribution function at u/2³².
 */

/** Number of replicates of every bootstrap. */
export const REPLICATES = 200;

/** ⌊2³²·Σ_{i≤j} e⁻¹/i!⌋ for j = 0 … 12; less than 2⁻³² is beyond. */
const THRESHOLDS = [
  1580030168, 3160060337, 3950075421, 4213413783, 4279248373, 4292415291, 4294609777, 4294923276, 4294962463,
  4294966817, 4294967252, 4294967292, 4294967295,
];

/** SplitMix32's output function after one step of its counter: a bijection of 32 bits. */
export function mix(value: number): number {
  let z = (value + 0x9e3779b9) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** Computes mix(mix(seed) ⊕ replicate) of each replicate. @param seed unsigned 32-bit */
export function replicateKeys(seed: number): Uint32Array {
  return Uint32Array.from({ length: REPLICATES }, (_, replicate) => mix(mix(seed) ^ replicate));
}

/**
 * Computes the weight w of a row in a replicate, 0 … 13.
 *
 * @param key key of the replicate, see {@link replicateKeys}
 * @param row mix(row number)
 */
export function poissonWeight(key: number, row: number): number {
  const u = mix(key ^ row);
  let weight = 0;
  while (weight < THRESHOLDS.length && u >= THRESHOLDS[weight]) weight++;
  return weight;
}
