import type { PerHead, ReportOptions } from '../heads/head-report';
import { pagerank } from '../heads/pagerank';
import { byScore } from '../heads/score-order';
import type { BootstrapSums } from './bootstrap';
import { REPLICATES } from './poisson-weights';
import type { StatisticsShape } from './statistics';

/** Share of the replicates in which a stable layer has the same top k as the sample. */
export const STABLE = 0.95;

/** Stability of the ranking: shares of the bootstrap replicates, 0 … 1. */
export interface Stability {
  /** Share of the replicates in which the head is in its layer's top k, [L][H]. */
  perHead: PerHead;
  /** Share of the replicates in which the layer's top k are the sample's own, [L]. */
  holds: number[];
}

/**
 * Ranks the heads of every bootstrap replicate like those of the sample (docs/method.md). A
 * replicate that drew no row, which is possible for a few rows, is skipped.
 *
 * @param ranked PageRank of the sample, [L][H]
 */
export function stabilityOf(
  bootstrap: BootstrapSums,
  { layers, heads }: StatisticsShape,
  ranked: PerHead,
  options: Pick<ReportOptions, 'k' | 'damping' | 'teleport'>,
): Stability {
  const k = Math.min(options.k, heads);
  const own = ranked.map((scores) => topHeads(scores, k).sort().join());
  const perHead = ranked.map((scores) => scores.map(() => 0));
  const holds = ranked.map(() => 0);
  let replicates = 0;
  for (let replicate = 0; replicate < REPLICATES; replicate++) {
    if (bootstrap.draws[replicate] === 0) continue;
    replicates++;
    const scores = rankReplicate(bootstrap, replicate, options);
    for (let layer = 0; layer < layers; layer++) {
      const top = topHeads(scores.slice(layer * heads, (layer + 1) * heads), k);
      for (const head of top) perHead[layer][head]++;
      if (top.sort().join() === own[layer]) holds[layer]++;
    }
  }
  return {
    perHead: perHead.map((counts) => counts.map((count) => count / replicates)),
    holds: holds.map((count) => count / replicates),
  };
}

/** Returns true if the top k of every layer is stable. */
export const isStable = ({ holds }: Stability) => holds.every((share) => share >= STABLE);

const topHeads = (scores: readonly number[], k: number) => byScore(scores).slice(0, k);

/**
 * Computes p of all heads in one replicate, [L·H]. PageRank depends on ratios only, so sums serve
 * as well as means.
 */
function rankReplicate(
  bootstrap: BootstrapSums,
  replicate: number,
  { damping, teleport }: Pick<ReportOptions, 'damping' | 'teleport'>,
): number[] {
  const { nodes, graph } = bootstrap;
  const richness = bootstrap.counts(replicate); // [L·H]
  const correlation = new Float64Array(graph * graph);
  const scores: number[] = [];
  let pair = 0;
  for (let first = 0; first < nodes; first += graph) {
    for (let i = 0; i < graph; i++) {
      for (let j = i + 1; j < graph; j++) {
        correlation[i * graph + j] = correlation[j * graph + i] = bootstrap.correlation(replicate, pair++);
      }
    }
    scores.push(
      ...pagerank({ correlation, richness: richness.subarray(first, first + graph), damping, teleport }).scores,
    );
  }
  return scores;
}
