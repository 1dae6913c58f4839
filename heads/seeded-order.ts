/**
 * Uniform numbers in [0, 1) as a pure function of a seed: one a head, the control that any ranking must beat. SplitMix32, kept
 * here because `heads/` imports nothing else; the same seed gives the same heads on every machine.
 *
 * @param seed unsigned 32-bit integer.
 */
export function seededScores(seed: number, count: number): number[] {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  });
}
