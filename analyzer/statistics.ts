import type { AnalysisOptions } from '../heads/analysis-options';
import { XI_GRID } from '../heads/head-report';
import { type BootstrapData, type BootstrapShape, BootstrapSums, bootstrapBytes } from './bootstrap';
import { EXACT_SUM_COUNT, ExactSums, exactSumNumbers } from './exact-sum';
import { REPLICATES } from './poisson-weights';

/** Sizes that two statistics must share to be added. */
export interface StatisticsShape {
  layers: number;
  heads: number;
  headDim: number;
  /** Values of ξ with counts, ascending. */
  xis: number[];
  /** The ξ whose counts the bootstrap replicates sum: one of `xis`. */
  xi: number;
  bootstrap: BootstrapShape;
}

/** Statistics as plain data, to send to another thread or process. */
export interface StatisticsData {
  shape: StatisticsShape;
  sequences: number;
  counts: Float64Array;
  squares: Float64Array;
  pearson: Float64Array;
  covariance: Float64Array;
  activation: Float64Array;
  spectrum: Float64Array;
  bootstrap: BootstrapData;
}

/** Values of ξ for which an analysis counts singular values: the grid and its own, ascending. */
const countedXis = (xi: number) => [...new Set([...XI_GRID, xi])].sort((a, b) => a - b);

/** Sizes of the statistics of a model for an analysis. */
export function statisticsShape(
  { layers, heads, headDim }: Pick<StatisticsShape, 'layers' | 'heads' | 'headDim'>,
  { xi, seed, correlation, scope }: Pick<AnalysisOptions, 'xi' | 'seed' | 'correlation' | 'scope'>,
): StatisticsShape {
  return { layers, heads, headDim, xis: countedXis(xi), xi, bootstrap: { seed, correlation, scope } };
}

/** Length of each part of such data. Allocates nothing. */
export function statisticsLengths({ layers, heads, headDim, xis, bootstrap }: StatisticsShape) {
  const nodes = layers * heads;
  const pairs = (nodes * (nodes - 1)) / 2;
  return {
    counts: xis.length * nodes,
    squares: xis.length * nodes,
    pearson: exactSumNumbers(pairs),
    covariance: exactSumNumbers(pairs + nodes),
    activation: exactSumNumbers(nodes),
    spectrum: exactSumNumbers(nodes * headDim),
    bootstrapDraws: REPLICATES,
    bootstrapSums: bootstrapBytes(bootstrap, layers, heads) / Float64Array.BYTES_PER_ELEMENT,
  };
}

/**
 * Sums over sequences of the measurements of each head and each pair of heads (docs/method.md). All
 * are integers or exact sums, so statistics of parts of a sample add up to the same bits in any
 * order.
 */
export class HeadStatistics {
  /** Number of heads, N = L·H; the head index is layer·H + head. */
  readonly nodes: number;
  /** Number of sequences, n. */
  sequences: number;
  /** Σt and Σt², [ξ, N]. */
  readonly counts: Float64Array;
  readonly squares: Float64Array;
  /** Σ|r| of the pairs i < j: the upper triangle row by row. */
  readonly pearson: ExactSums;
  /** Σ|cov| of the pairs i < j in the same order, then the N variances. */
  readonly covariance: ExactSums;
  /** Σ trace(OᵀO)/(S·dh), [N]. */
  readonly activation: ExactSums;
  /** Σ σ_i/Σσ, [N, dh]. */
  readonly spectrum: ExactSums;
  /** Weighted sums of t at `shape.xi` and of the pairs' correlation. */
  readonly bootstrap: BootstrapSums;

  constructor(
    readonly shape: StatisticsShape,
    data?: StatisticsData,
  ) {
    this.nodes = shape.layers * shape.heads;
    const pairs = (this.nodes * (this.nodes - 1)) / 2;
    this.sequences = data?.sequences ?? 0;
    this.counts = data?.counts ?? new Float64Array(shape.xis.length * this.nodes);
    this.squares = data?.squares ?? new Float64Array(shape.xis.length * this.nodes);
    this.pearson = new ExactSums(pairs, data?.pearson);
    this.covariance = new ExactSums(pairs + this.nodes, data?.covariance);
    this.activation = new ExactSums(this.nodes, data?.activation);
    this.spectrum = new ExactSums(this.nodes * shape.headDim, data?.spectrum);
    this.bootstrap = new BootstrapSums(shape.bootstrap, shape.layers, shape.heads, data?.bootstrap);
  }

  static from(data: StatisticsData): HeadStatistics {
    return new HeadStatistics(data.shape, data);
  }

  /** Returns views of these sums, not copies. */
  toData(): StatisticsData {
    return {
      shape: this.shape,
      sequences: this.sequences,
      counts: this.counts,
      squares: this.squares,
      pearson: this.pearson.bins,
      covariance: this.covariance.bins,
      activation: this.activation.bins,
      spectrum: this.spectrum.bins,
      bootstrap: { draws: this.bootstrap.draws, sums: this.bootstrap.sums },
    };
  }

  /**
   * Adds the statistics of another part of the sample.
   *
   * @throws RangeError if the two do not measure the same heads in the same way
   */
  merge(other: HeadStatistics): void {
    if (JSON.stringify(other.shape) !== JSON.stringify(this.shape)) {
      throw new RangeError(
        `statistics of ${JSON.stringify(other.shape)} cannot be added to those of ${JSON.stringify(this.shape)}`,
      );
    }
    this.sequences += other.sequences;
    if (this.sequences > EXACT_SUM_COUNT) throw new RangeError(`at most ${EXACT_SUM_COUNT} sequences can be summed`);
    for (let i = 0; i < this.counts.length; i++) {
      this.counts[i] += other.counts[i];
      this.squares[i] += other.squares[i];
    }
    this.pearson.merge(other.pearson);
    this.covariance.merge(other.covariance);
    this.activation.merge(other.activation);
    this.spectrum.merge(other.spectrum);
    this.bootstrap.merge(other.bootstrap);
  }
}
