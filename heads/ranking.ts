import { z } from 'zod';
import { invalidInput } from '../foundation/errors';
import type { CorrelationKind, HeadReport, PerHead, RankCorrelations, Scope, Teleport } from './head-report';
import { numberIn } from './options';
import { PAGERANK_DEFAULTS, pagerank } from './pagerank';
import { spearman } from './spearman';

/** Options of the graph and its PageRank (docs/method.md). */
export interface RankingOptions {
  /** Weight of the graph's edges. */
  correlation: CorrelationKind;
  /** Teleport distribution of PageRank. */
  teleport: Teleport;
  /** Damping δ, 0 < δ < 1: probability with which the random surfer follows an edge. */
  damping: number;
  /** Scope of one graph. */
  scope: Scope;
}

/** Default ranking: Pearson's r, one graph per layer, teleport by richness, δ = 0.5. */
export const RANKING_DEFAULTS: RankingOptions = { correlation: 'pearson', scope: 'layer', ...PAGERANK_DEFAULTS };

/** Rules for the ranking's options. */
export const RANKING_RULES = {
  correlation: z.enum(['pearson', 'covariance'], 'pearson or covariance'),
  teleport: z.enum(['richness', 'uniform'], 'richness or uniform'),
  damping: numberIn('above 0 and below 1', (damping) => damping > 0 && damping < 1),
  scope: z.enum(['layer', 'model'], 'layer or model'),
};

/** Part of a report from which a ranking is computed. */
export type RankingInput = Pick<HeadReport, 'richness' | 'correlation'>;

/** Scores of all heads, [L][H]. */
export interface Ranking {
  /** PageRank. It sums to 1 in each layer, or over the model, according to the scope. */
  pagerank: PerHead;
  /** Σ_{h'≠h} r over the graph of the head. */
  correlationSum: PerHead;
  /** Maximum number of PageRank rounds over the graphs. */
  iterations: number;
  /** Rank correlations of PageRank with its inputs, one entry per layer. */
  rankCorrelations: RankCorrelations[];
}

/**
 * Ranks the heads of a report by PageRank over their correlation (HiFi §3; docs/method.md).
 *
 * @throws HifiError INVALID_INPUT if an option is out of range, or the report's shapes do not match
 */
export function rankHeads(report: RankingInput, options: Partial<RankingOptions> = {}): Ranking {
  const { correlation: kind, teleport, damping, scope } = { ...RANKING_DEFAULTS, ...defined(options) };
  const matrix = report.correlation[kind];
  checkShapes(report.richness, matrix, kind);
  const layers = report.richness.length;
  const heads = report.richness[0].length;
  const nodes = scope === 'layer' ? heads : layers * heads; // nodes of one graph
  const scores: number[] = []; // [L·H]
  const sums: number[] = []; // [L·H]
  const richness = report.richness.flat(); // [L·H]
  let iterations = 0;
  for (let first = 0; first < richness.length; first += nodes) {
    const graph = matrix.slice(first, first + nodes).flatMap((row) => row.slice(first, first + nodes));
    const ranked = pagerank({
      correlation: graph,
      richness: richness.slice(first, first + nodes),
      damping,
      teleport,
    });
    scores.push(...ranked.scores);
    iterations = Math.max(iterations, ranked.iterations);
    for (let h = 0; h < nodes; h++) {
      let total = 0;
      for (let k = 0; k < nodes; k++) if (k !== h) total += graph[h * nodes + k];
      sums.push(total);
    }
  }
  const pagerankByLayer = byLayer(scores, heads);
  const correlationSum = byLayer(sums, heads);
  const rankCorrelations = pagerankByLayer.map((p, layer) => ({
    richness: spearman(p, report.richness[layer]),
    correlationSum: spearman(p, correlationSum[layer]),
  }));
  return { pagerank: pagerankByLayer, correlationSum, iterations, rankCorrelations };
}

/** Warnings for the reader of a ranking with these options. */
export function rankingWarnings({ scope, correlation }: Pick<RankingOptions, 'scope' | 'correlation'>): string[] {
  if (scope !== 'model' || correlation !== 'covariance') return [];
  return ['scope model with covariance ranks the layers by the scale of their outputs'];
}

/** Drops undefined options, so that defaults apply. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function byLayer(flat: number[], heads: number): PerHead {
  return Array.from({ length: flat.length / heads }, (_, layer) => flat.slice(layer * heads, (layer + 1) * heads));
}

function checkShapes(richness: PerHead, matrix: number[][], kind: string): void {
  const heads = richness[0]?.length ?? 0;
  if (heads === 0 || richness.some((row) => row.length !== heads)) {
    throw invalidInput(
      `richness must be one number per head, [layers][heads]; found rows of ${richness.map((r) => r.length)}`,
    );
  }
  const nodes = richness.length * heads;
  const wrong = matrix.findIndex((row) => row.length !== nodes);
  if (matrix.length !== nodes || wrong >= 0) {
    const found = wrong >= 0 ? `row ${wrong} has ${matrix[wrong].length} numbers` : `it has ${matrix.length} rows`;
    throw invalidInput(`correlation.${kind} must be ${nodes} × ${nodes} for ${nodes} heads; ${found}`);
  }
}
