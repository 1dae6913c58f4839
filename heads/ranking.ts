import { z } from 'zod';
import { invalidInput } from '../foundation/errors';
import type { CorrelationKind, HeadReport, PerHead, RankCorrelations, Scope, Teleport } from './head-report';
import { numberIn } from './options';
import { PAGERANK_DEFAULTS, pagerank } from './pagerank';
import { spearman } from './spearman';

/** Which graph is made of a report's numbers and how it is walked (docs/method.md). */
export interface RankingOptions {
  /** What the graph's edges weigh. */
  correlation: CorrelationKind;
  /** Where PageRank's random surfer jumps. */
  teleport: Teleport;
  /** δ, 0 < δ < 1: how often the surfer follows an edge. */
  damping: number;
  /** What one graph is of. */
  scope: Scope;
}

/** Pearson's r, one graph a layer, jumps by richness, δ = 0.5. */
export const RANKING_DEFAULTS: RankingOptions = { correlation: 'pearson', scope: 'layer', ...PAGERANK_DEFAULTS };

/** Rules for the ranking's options. */
export const RANKING_RULES = {
  correlation: z.enum(['pearson', 'covariance'], 'pearson or covariance'),
  teleport: z.enum(['richness', 'uniform'], 'richness or uniform'),
  damping: numberIn('above 0 and below 1', (damping) => damping > 0 && damping < 1),
  scope: z.enum(['layer', 'model'], 'layer or model'),
};

/** The part of a report that a ranking is made of. */
export type RankingInput = Pick<HeadReport, 'richness' | 'correlation'>;

/** The heads' scores, [L][H]. */
export interface Ranking {
  /** Sums to 1 in each layer, or over the model, as the scope is. */
  pagerank: PerHead;
  /** Σ_{h'≠h} r over the graph that the head is a node of. */
  correlationSum: PerHead;
  /** The most rounds that any of the graphs took. */
  iterations: number;
  /** One a layer. */
  rankCorrelations: RankCorrelations[];
}

/**
 * Ranks the heads of a report by PageRank over their correlation (HiFi §3; docs/method.md).
 *
 * @throws HifiError INVALID_INPUT for options out of range or a report whose shapes do not fit together.
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

/** What a reader of a ranking with these options should know. */
export function rankingWarnings({ scope, correlation }: Pick<RankingOptions, 'scope' | 'correlation'>): string[] {
  if (scope !== 'model' || correlation !== 'covariance') return [];
  return ['scope model with covariance ranks the layers by the scale of their outputs'];
}

/** An option given as undefined is an option not given. */
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
      `richness must be one number a head, [layers][heads], found rows of ${richness.map((r) => r.length)}`,
    );
  }
  const nodes = richness.length * heads;
  const wrong = matrix.findIndex((row) => row.length !== nodes);
  if (matrix.length !== nodes || wrong >= 0) {
    const found = wrong >= 0 ? `row ${wrong} has ${matrix[wrong].length} numbers` : `it has ${matrix.length} rows`;
    throw invalidInput(`correlation.${kind} must be ${nodes} × ${nodes} for ${nodes} heads, but ${found}`);
  }
}
