/** Largest difference of scores that tie. It covers the tolerance of PageRank's iteration. */
const TIE = 1e-8;

/** Order of scores. */
export interface ScoreOrder {
  /** Lowest first. Default: highest first. */
  lowestFirst?: boolean;
  /** True for scores of any scale: the largest difference that ties is a share of the best one. */
  anyScale?: boolean;
}

/**
 * Sorts indices by score. Scores within 1e-8 tie; ties go to the lower index. The best score ties
 * with all scores within 1e-8 of it, then the best of the rest does, and so on, because "within" is
 * not transitive. So the order depends on the scores alone, not on their positions.
 */
export function byScore(
  scores: readonly number[],
  { lowestFirst = false, anyScale = false }: ScoreOrder = {},
): number[] {
  const keys = scores.map((score) => (lowestFirst ? -score : score));
  const order = keys.map((_, i) => i).sort((a, b) => keys[b] - keys[a] || a - b);
  const result: number[] = [];
  for (let start = 0; start < order.length; ) {
    const best = keys[order[start]];
    const tie = anyScale ? TIE * Math.abs(best) : TIE;
    let end = start + 1;
    while (end < order.length && best - keys[order[end]] <= tie) end++;
    // One by one: more may tie than a call takes arguments.
    for (const i of order.slice(start, end).sort((a, b) => a - b)) result.push(i);
    start = end;
  }
  return result;
}
