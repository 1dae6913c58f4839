/**
 * Largest difference of scores that tie. It covers the tolerance of PageRank's iteration. For
 * gradients, which have any scale, it is a share of the largest score.
 */
export const TIE = 1e-8;

/**
 * Sorts indices by score, highest first, or lowest first with `lowestFirst`. Scores within `tie`
 * (1e-8) tie; ties go to the lower index. The best score ties with all scores within `tie` of it,
 * then the best of the rest does, and so on, because "within" is not transitive. So the order
 * depends on the scores alone, not on their positions.
 */
export function byScore(scores: readonly number[], lowestFirst = false, tie = TIE): number[] {
  const keys = scores.map((score) => (lowestFirst ? -score : score));
  const order = keys.map((_, i) => i).sort((a, b) => keys[b] - keys[a] || a - b);
  const result: number[] = [];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && keys[order[start]] - keys[order[end]] <= tie) end++;
    // One by one: more may tie than a call takes arguments.
    for (const i of order.slice(start, end).sort((a, b) => a - b)) result.push(i);
    start = end;
  }
  return result;
}
