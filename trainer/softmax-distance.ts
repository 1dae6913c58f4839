/**
 * Wasserstein-1 distance of two lists of weights that a softmax turned into distributions over
 * their places, from 0 for the first place to 1 for the last: the mean of the absolute difference
 * of the cumulative distributions over the n − 1 gaps (ALPS, Chen et al. 2025, and its published
 * code).
 *
 * @param before parts of the list, in order // n numbers in all
 * @param after the same parts
 * @returns 0 … 1; 0 for a single number
 */
export function softmaxDistance(before: readonly Float32Array[], after: readonly Float32Array[]): number {
  const [p, q] = [normaliser(before), normaliser(after)];
  const n = before.reduce((sum, { length }) => sum + length, 0);
  let difference = 0; // of the cumulative distributions
  let area = 0;
  for (const [i, part] of before.entries()) {
    for (const [at, value] of part.entries()) {
      area += Math.abs(difference); // before the first place 0, after the last one not counted
      difference += Math.exp(value - p.highest) / p.sum - Math.exp(after[i][at] - q.highest) / q.sum;
    }
  }
  return n > 1 ? area / (n - 1) : 0;
}

/** Highest of the numbers, and the sum of e^(x − highest). */
function normaliser(parts: readonly Float32Array[]): { highest: number; sum: number } {
  let highest = Number.NEGATIVE_INFINITY;
  for (const part of parts) for (const value of part) highest = Math.max(highest, value);
  let sum = 0;
  for (const part of parts) for (const value of part) sum += Math.exp(value - highest);
  return { highest, sum };
}
