/**
 * How often a bootstrap replicate draws a row: Poisson(1), the limit of drawing n of n rows with replacement, as a pure
 * function of (seed, replicate, row) (docs/method.md). So any part of a sample knows its own weights.
 *
 *     u = mix(mix(mix(seed) ⊕ replicate) ⊕ mix(row)), all of 32 bits;
 *     w = how many j of 0 … 12 have ⌊2³²·P(X ≤ j)⌋ ≤ u, X ~ Poisson(1): its distribution function inverted at u/2³².
 */

/** Replicates of every bootstrap. */
export const REPLICATES = 200;

/** ⌊2³²·Σ_{i≤j} e⁻¹/i!⌋ for j = 0 … 12; beyond lies less than 2⁻³². */
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

/** mix(mix(seed) ⊕ replicate) of each replicate. @param seed unsigned 32-bit */
export function replicateKeys(seed: number): Uint32Array {
  return Uint32Array.from({ length: REPLICATES }, (_, replicate) => mix(mix(seed) ^ replicate));
}

/**
 * w, 0 … 13.
 *
 * @param key of the replicate, see `replicateKeys`
 * @param row mix(row number)
 */
export function poissonWeight(key: number, row: number): number {
  const u = mix(key ^ row);
  let weight = 0;
  while (weight < THRESHOLDS.length && u >= THRESHOLDS[weight]) weight++;
  return weight;
}
