/** Loss of some rows' embeddings, and its gradient by them. */
export interface EmbeddingLoss {
  loss: number;
  /** // [n] of [d] */
  gradient: Float64Array[];
}

/**
 * Supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362, eq. 2) of embeddings that are
 * normalised first, z = x / ‖x‖: the mean over the rows i with another row of their class of
 *
 *     −1/|P(i)| · Σ_{p ∈ P(i)} log( e^(z_i·z_p/τ) / Σ_{a ≠ i} e^(z_i·z_a/τ) ),
 *
 * where P(i) are the other rows of i's class. Rows that are alone in their class are only compared
 * with.
 *
 * @param embeddings // [n] of [d]
 * @param classes class of each row // [n]
 * @param temperature τ
 * @returns undefined if no class has two rows
 */
export function contrastiveLoss(
  embeddings: readonly ArrayLike<number>[],
  classes: ArrayLike<number>,
  temperature: number,
): EmbeddingLoss | undefined {
  const n = embeddings.length;
  const norms = embeddings.map((x) => Math.sqrt(dot(x, x)));
  const z = embeddings.map((x, i) => Float64Array.from(x, (value) => value / norms[i]));
  const positives = z.map((_, i) =>
    z.reduce((count, _z, a) => count + Number(a !== i && classes[a] === classes[i]), 0),
  );
  const anchors = positives.filter((count) => count > 0).length;
  if (anchors === 0) return undefined;
  const byUnit = z.map(({ length }) => new Float64Array(length)); // gradient by z
  let loss = 0;
  for (let i = 0; i < n; i++) {
    if (positives[i] === 0) continue;
    const scores = z.map((other) => dot(z[i], other) / temperature); // of the row itself left out below
    const highest = scores.reduce(
      (most, score, a) => (a === i ? most : Math.max(most, score)),
      Number.NEGATIVE_INFINITY,
    );
    const total = scores.reduce((sum, score, a) => (a === i ? sum : sum + Math.exp(score - highest)), 0);
    for (let a = 0; a < n; a++) {
      if (a === i) continue;
      const share = classes[a] === classes[i] ? 1 / positives[i] : 0;
      loss += (share * (highest + Math.log(total) - scores[a])) / anchors;
      const slope = (Math.exp(scores[a] - highest) / total - share) / anchors / temperature; // by z_i·z_a
      addTimes(byUnit[i], z[a], slope);
      addTimes(byUnit[a], z[i], slope);
    }
  }
  // By x = ‖x‖·z only what is orthogonal to z counts.
  const gradient = byUnit.map((g, i) => {
    const along = dot(g, z[i]);
    return g.map((value, at) => (value - along * z[i][at]) / norms[i]);
  });
  return { loss, gradient };
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function addTimes(sum: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] += factor * x[i];
}
