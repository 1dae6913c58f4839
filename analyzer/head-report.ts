import { percentDigits } from '../foundation/percent';
import type { HeadReport, PerHead, ReportData, ReportModel, ReportOptions } from '../heads/head-report';
import { rankHeads, rankingWarnings } from '../heads/ranking';
import type { DeviceUsed } from '../model/onnx-device';
import { isStable, STABLE, type Stability, stabilityOf } from './stability';
import type { HeadStatistics } from './statistics';

/** Content of a report besides the statistics. */
export interface ReportSubject {
  model: ReportModel;
  data: ReportData;
  options: ReportOptions;
  headNorms: PerHead;
  deviceUsed: DeviceUsed;
}

/** Computes heads.json: the means of the statistics, and their ranking (docs/method.md). */
export function makeReport(
  subject: ReportSubject,
  statistics: HeadStatistics,
  elapsedSeconds: number,
): { report: HeadReport; warnings: string[] } {
  const { options } = subject;
  const { heads, xis, headDim } = statistics.shape;
  const { nodes, sequences: n } = statistics;
  const perHead = <T>(at: (node: number) => T) => byLayer(nodes, heads, at);
  const own = xis.indexOf(options.xi) * nodes;

  const { measured, ranking, stability } = rankStatistics(options, statistics);
  const report: HeadReport = {
    schemaVersion: 1,
    model: subject.model,
    data: subject.data,
    options,
    samples: n,
    richness: measured.richness,
    richnessStderr: perHead((node) => standardError(n, statistics.counts[own + node], statistics.squares[own + node])),
    richnessByXi: Object.fromEntries(xis.map((xi) => [String(xi), richnessAt(statistics, xi)])),
    correlation: measured.correlation,
    pagerank: ranking.pagerank,
    activation: perHead((node) => statistics.activation.value(node) / n),
    headNorms: subject.headNorms,
    stability: stability?.perHead ?? null,
    rankCorrelations: ranking.rankCorrelations,
    spectrum: perHead((node) =>
      Array.from({ length: headDim }, (_, i) => statistics.spectrum.value(node * headDim + i) / n),
    ),
    iterations: ranking.iterations,
    deviceUsed: subject.deviceUsed,
    elapsedSeconds,
  };
  return { report, warnings: [...rankingWarnings(options), ...stabilityWarnings(options, n, stability)] };
}

/** Computes the ranking, its inputs, and its stability, which is null for a single sequence. */
export function rankStatistics(options: ReportOptions, statistics: HeadStatistics) {
  const measured = {
    richness: richnessAt(statistics, options.xi),
    correlation: { pearson: pearsonMatrix(statistics), covariance: covarianceMatrix(statistics) },
  };
  const ranking = rankHeads(measured, options);
  const { bootstrap, shape, sequences } = statistics;
  const stability = sequences > 1 ? stabilityOf(bootstrap, shape, ranking.pagerank, options) : null;
  return { measured, ranking, stability };
}

/** Warns if `auto` ended at its maximum, or at the last row, without a stable top k. */
function stabilityWarnings({ samples, k }: ReportOptions, n: number, stability: Stability | null): string[] {
  if (samples !== 'auto' || stability === null || isStable(stability)) return [];
  const { holds } = stability;
  const layers = holds.flatMap((share, layer) => (share < STABLE ? [layer] : []));
  const least = Math.min(...holds);
  return [
    `after ${n} sequences the top ${k} still depend on the sample in ${layers.length} of ${holds.length} layers (${layers.join(', ')}): ` +
      `those of layer ${holds.indexOf(least)} are the same in ${percentDigits(least, 0, STABLE)} % of the bootstrap replicates, below ${100 * STABLE} %`,
  ];
}

/** Richness I_h at one of the counted ξ. */
function richnessAt({ shape, nodes, counts, sequences }: HeadStatistics, xi: number): PerHead {
  const from = shape.xis.indexOf(xi) * nodes;
  return byLayer(nodes, shape.heads, (node) => counts[from + node] / sequences);
}

/** Standard error of a mean of n integers with the sums Σt and Σt²; null if n = 1. */
function standardError(n: number, sum: number, squares: number): number | null {
  return n === 1 ? null : Math.sqrt((n * squares - sum * sum) / (n - 1)) / n;
}

function pearsonMatrix(statistics: HeadStatistics): number[][] {
  const { pearson, sequences } = statistics;
  return symmetric(
    statistics,
    () => 1,
    (pair) => pearson.value(pair) / sequences,
  );
}

function covarianceMatrix(statistics: HeadStatistics): number[][] {
  const { covariance, pearson, sequences } = statistics;
  return symmetric(
    statistics,
    (node) => covariance.value(pearson.length + node) / sequences,
    (pair) => covariance.value(pair) / sequences,
  );
}

/** Symmetric matrix [N, N] from its diagonal and its pairs i < j. */
function symmetric(
  { nodes }: HeadStatistics,
  diagonal: (node: number) => number,
  offDiagonal: (pair: number) => number,
): number[][] {
  const matrix = Array.from({ length: nodes }, () => new Array<number>(nodes));
  let pair = 0;
  for (let i = 0; i < nodes; i++) {
    matrix[i][i] = diagonal(i);
    for (let j = i + 1; j < nodes; j++) matrix[i][j] = matrix[j][i] = offDiagonal(pair++);
  }
  return matrix;
}

function byLayer<T>(nodes: number, heads: number, at: (node: number) => T): T[][] {
  return Array.from({ length: nodes / heads }, (_, layer) =>
    Array.from({ length: heads }, (_, head) => at(layer * heads + head)),
  );
}
