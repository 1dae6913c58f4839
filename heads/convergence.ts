import { pagerank } from './pagerank';
import type { RankingInput, RankingOptions } from './ranking';

/**
 * ‖Δp‖₁ of every round of PageRank with these options, one list per graph. A graph is a layer or,
 * with scope `model`, all heads. A graph of one head has no rounds.
 *
 * @throws HifiError as the ranking does
 */
export function convergence({ richness, correlation }: RankingInput, options: RankingOptions): number[][] {
  const { correlation: kind, teleport, damping, scope } = options;
  const flat = richness.flat(); // [L·H]
  const nodes = scope === 'layer' ? richness[0].length : flat.length; // nodes of one graph
  const traces: number[][] = [];
  for (let first = 0; first < flat.length; first += nodes) {
    const rows = correlation[kind].slice(first, first + nodes);
    const changes: number[] = [];
    pagerank({
      correlation: rows.flatMap((row) => row.slice(first, first + nodes)),
      richness: flat.slice(first, first + nodes),
      damping,
      teleport,
      onRound: (change) => changes.push(change),
    });
    traces.push(changes);
  }
  return traces;
}
