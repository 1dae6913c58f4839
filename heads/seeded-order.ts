/**
 * Draws one uniform number in [0, 1) per head: the scores of strategy `random`, the control that
 * any ranking must beat. A pure function of the seed, by SplitMix32, equal on every machine.
 *
 * @param seed unsigned 32-bit integer
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
