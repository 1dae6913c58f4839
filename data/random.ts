import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** Stream of random draws. Two streams with the same seed and purpose give the same draws. */
export interface RandomStream {
  /** Draws an integer in [0, n), all equally likely. */
  int(n: number): number;
  /** Draws a float64 in [0, 1), a multiple of 2⁻⁵³. */
  uniform(): number;
  /** Draws from N(0, 1). */
  normal(): number;
  /** Draws a permutation of 0 … n − 1. */
  shuffle(n: number): Int32Array;
  /**
   * Draws `k` of 0 … n − 1 without replacement, in the order drawn. They are the first `k` that
   * `shuffle(n)` would have given.
   */
  sample(n: number, k: number): Int32Array;
}

/**
 * Creates the generator of all draws of data. Its state depends on `(seed, purpose)` alone, so the
 * draws for one purpose never depend on the number of draws for another.
 * @param purpose what is drawn, such as `sample` or `shuffle/3`; different purposes are unrelated
 * @throws RangeError if the seed is not a whole number from 0 to 2⁵³ − 1
 */
export function randomStream(seed: number, purpose: string): RandomStream {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`the seed must be a whole number from 0 to 2^53 - 1; got ${seed}`);
  }
  const digest = createHash('sha256').update(`${seed}/${purpose}`).digest();
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => digest.readInt32LE(at)));
  const uniform = () => uniformFloat64(generator);

  // Fisher–Yates shuffle: draw i swaps the id at i with the id at one of i … n − 1.
  const other = (i: number, n: number) => (i < n - 1 ? uniformInt(generator, i, n - 1) : i);

  const shuffle = (n: number): Int32Array => {
    const ids = Int32Array.from({ length: n }, (_, id) => id);
    for (let i = 0; i < n; i++) {
      const j = other(i, n);
      const moved = ids[i];
      ids[i] = ids[j];
      ids[j] = moved;
    }
    return ids;
  };

  // Same draws as `shuffle`, but stores only the ids that moved: memory grows with k, not with n.
  const sample = (n: number, k: number): Int32Array => {
    if (!(k <= n)) throw new RangeError(`cannot draw ${k} of ${n} rows without replacement`);
    const moved = new Map<number, number>();
    return Int32Array.from({ length: k }, (_, i) => {
      const j = other(i, n);
      const drawn = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
      return drawn;
    });
  };

  return {
    int: (n) => uniformInt(generator, 0, n - 1),
    uniform,
    // Box–Muller; 1 − u is in (0, 1], so that the logarithm is finite.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    shuffle,
    sample,
  };
}
