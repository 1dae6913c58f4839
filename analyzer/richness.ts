/** Tolerance for rounding in the comparison of the two sums (docs/method.md). */
const SLACK = 1 - 1e-12;

/**
 * Computes head richness (HiFi §3; docs/method.md): for each ξ the smallest t with Σ_{i≤t} σ_i ≥
 * ξ·Σσ.
 *
 * @param sigma singular values, descending, of which the first m count; if all are zero, t = 1
 * @param xis values of ξ, ascending
 * @param counts gets t for each ξ, 1 … m
 */
export function richnessCounts(sigma: Float64Array, m: number, xis: readonly number[], counts: Float64Array): void {
  let total = 0;
  for (let i = 0; i < m; i++) total += sigma[i];
  let reached = sigma[0];
  let t = 1;
  for (let x = 0; x < xis.length; x++) {
    const wanted = xis[x] * total * SLACK;
    while (t < m && !(reached >= wanted)) reached += sigma[t++];
    counts[x] = t;
  }
}
