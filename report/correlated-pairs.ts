import type { CorrelationKind, HeadReport } from '../heads/head-report';

/** Two heads, by number layer·H + head, and their correlation. */
export type Pair = [a: number, b: number, r: number];

/** Pairs of the model in its graph. */
const STRONGEST = 300;

/** Pairs of a layer's heads, in order. */
export function pairsOfLayer({ correlation, model }: HeadReport, kind: CorrelationKind, layer: number): Pair[] {
  const first = layer * model.heads;
  const pairs: Pair[] = [];
  for (let a = first; a < first + model.heads; a++) {
    for (let b = a + 1; b < first + model.heads; b++) pairs.push([a, b, correlation[kind][a][b]]);
  }
  return pairs;
}

/** Strongest pairs of all heads, strongest first. */
export function strongestPairs({ correlation }: HeadReport, kind: CorrelationKind, count = STRONGEST): Pair[] {
  const matrix = correlation[kind];
  let found: Pair[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const prune = () => {
    found = found.sort((x, y) => y[2] - x[2] || x[0] - y[0] || x[1] - y[1]).slice(0, count);
    if (found.length === count) least = found[count - 1][2];
  };
  for (let a = 0; a < matrix.length; a++) {
    const row = matrix[a];
    for (let b = a + 1; b < row.length; b++) if (row[b] > least) found.push([a, b, row[b]]);
    if (found.length > 8 * count) prune();
  }
  prune();
  return found;
}
