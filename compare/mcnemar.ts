/** Number of rows on which exactly one side is right, from which on the test is approximate. */
const LARGE = 25;

/** Two methods' answers for the same rows, and McNemar's test of them. */
export interface McNemar {
  /** Rows on which only the first is right, and only the second. */
  onlyFirst: number;
  onlySecond: number;
  /**
   * P of rows that differ as unequally, if each method is as often right as the other on the rows
   * on which exactly one is.
   */
  p: number;
  /**
   * `exact`: two-sided binomial; `chi-square`: with continuity correction, from 25 such rows on.
   */
  rule: 'exact' | 'chi-square';
}

/**
 * McNemar's test (McNemar 1947; Edwards 1948 for the correction): the exact two-sided binomial test
 * with probability ½ below 25 rows on which exactly one side is right, else χ² = (|b − c| − 1)² /
 * (b + c) with one degree of freedom, 0 for b = c.
 *
 * @param first a digit per row, 1 for a right answer
 * @param second of the same rows
 */
export function mcnemar(first: string, second: string): McNemar {
  let [onlyFirst, onlySecond] = [0, 0];
  for (let row = 0; row < first.length; row++) {
    if (first[row] === second[row]) continue;
    if (first[row] === '1') onlyFirst++;
    else onlySecond++;
  }
  const discordant = onlyFirst + onlySecond;
  if (discordant < LARGE) return { onlyFirst, onlySecond, p: exactP(onlyFirst, discordant), rule: 'exact' };
  const distance = Math.max(0, Math.abs(onlyFirst - onlySecond) - 1);
  return { onlyFirst, onlySecond, p: chiSquareP(distance ** 2 / discordant), rule: 'chi-square' };
}

/** P(|X − n/2| ≥ |count − n/2|) of X ~ Bin(n, ½). */
function exactP(count: number, n: number): number {
  let term = 0.5 ** n; // P(X = 0)
  let tail = 0;
  for (let k = 0; k <= Math.min(count, n - count); k++) {
    tail += term;
    term *= (n - k) / (k + 1);
  }
  return Math.min(1, 2 * tail);
}

/** P(χ² ≥ x) with one degree of freedom: erfc(√(x/2)). */
const chiSquareP = (x: number) => erfc(Math.sqrt(x / 2));

/**
 * Complementary error function of x ≥ 0: below 2 the series of erf (Abramowitz & Stegun 1972,
 * 7.1.6), else the continued fraction (7.1.14), to 13 digits.
 */
function erfc(x: number): number {
  const scale = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (x < 2) {
    let term = 2 * x;
    let sum = term;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - scale * sum;
  }
  let fraction = x;
  for (let n = 120; n > 0; n--) fraction = x + n / 2 / fraction;
  return scale / fraction;
}
