import { failed } from '../foundation/errors';
import { symmetricEigenvalues } from './eigenvalues';
import { EXACT_SUM_RANGE } from './exact-sum';
import { richnessCounts } from './richness';
import { singularValues } from './singular-values';
import type { HeadStatistics } from './statistics';

/** Outputs of one layer's heads for a batch, from the graph. */
export type LayerOutputs =
  /** Gram matrices [B, H, m, m] and token sums [B, H, dh]. */
  | { gram: Float64Array; tokenSum: Float64Array }
  /** Head outputs [B, S, H, dh], zero where padded. */
  | { context: Float32Array };

/** Head outputs of one batch. */
export interface EncodedOutputs {
  /** Number of real tokens of each row. */
  lengths: Int32Array;
  /** Padded length S. */
  tokens: number;
  /** Size m of the Gram matrices: dh, or S if it is smaller. */
  gramSize: number;
  /** Outputs of each layer. */
  layers: LayerOutputs[];
}

/** Head outputs with the rows' numbers in the data, from which the bootstrap's weights follow. */
export interface BatchOutputs extends EncodedOutputs {
  rows: Int32Array;
}

/**
 * Largest mean square of a head's output that can be summed exactly. Variances and covariances are
 * at most twice that.
 */
const LARGEST_SQUARE = EXACT_SUM_RANGE / 2;

/**
 * Adds sequences to statistics: singular values, counts, spectrum, activation, correlations
 * (docs/method.md). Allocates nothing per sequence.
 */
export class HeadMeter {
  private readonly matrix: Float64Array;
  private readonly sigma: Float64Array;
  private readonly work: Float64Array;
  private readonly counts: Float64Array;
  /** Index of the bootstrap's ξ among the ξ of the counts. */
  private readonly xi: number;
  /**
   * Values of one sequence for the bootstrap: t at that ξ of each head, and c of the pairs within a
   * graph.
   */
  private readonly rowCounts: Float64Array;
  private readonly edges: Float64Array;
  /** o_h − mean(o_h) of each head of one sequence, [N, dh]. */
  private readonly centred: Float64Array;
  /** 1/‖o_h − mean(o_h)‖, 0 for a constant o_h. */
  private readonly inverseNorm: Float64Array;

  constructor(
    private readonly statistics: HeadStatistics,
    maxTokens: number,
  ) {
    const { shape, nodes } = statistics;
    const longest = Math.max(maxTokens, shape.headDim);
    this.matrix = new Float64Array(longest * shape.headDim);
    this.sigma = new Float64Array(longest);
    this.work = new Float64Array(longest);
    this.counts = new Float64Array(shape.xis.length);
    this.xi = shape.xis.indexOf(shape.xi);
    this.rowCounts = new Float64Array(nodes);
    this.edges = new Float64Array(statistics.bootstrap.pairs);
    this.centred = new Float64Array(nodes * shape.headDim);
    this.inverseNorm = new Float64Array(nodes);
  }

  /**
   * Adds a batch.
   * @throws HifiError FAILED with layer and head, if an output is not finite or too large
   */
  addBatch(batch: BatchOutputs): void {
    const { layers, heads, headDim } = this.statistics.shape;
    const { bootstrap } = this.statistics;
    for (let row = 0; row < batch.lengths.length; row++) {
      for (let layer = 0; layer < layers; layer++) {
        const outputs = batch.layers[layer];
        for (let head = 0; head < heads; head++) {
          const node = layer * heads + head;
          const squares =
            'gram' in outputs
              ? this.takeGram(outputs, batch, row, head, node)
              : this.takeContext(outputs.context, batch, row, head, node);
          if (!(squares <= LARGEST_SQUARE * batch.lengths[row] * headDim)) throw unusable(layer, head, squares);
          this.addSpectrum(node, batch.lengths[row], squares);
        }
      }
      this.addCorrelations();
      bootstrap.add(batch.rows[row], this.rowCounts, this.edges);
      this.statistics.sequences++;
    }
    bootstrap.flush();
  }

  /**
   * Puts singular values in `sigma` and the centred mean output in `centred`. Returns trace(OᵀO),
   * or NaN if any value is not finite.
   */
  private takeGram(
    { gram, tokenSum }: { gram: Float64Array; tokenSum: Float64Array },
    batch: BatchOutputs,
    row: number,
    head: number,
    node: number,
  ): number {
    const { heads, headDim } = this.statistics.shape;
    const { gramSize } = batch;
    const length = batch.lengths[row];
    // On the tokens' side the rows after the last real token are zero and are skipped.
    const size = Math.min(gramSize, gramSize === headDim ? headDim : length);
    const from = (row * heads + head) * gramSize * gramSize;
    let trace = 0;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) this.matrix[i * size + j] = gram[from + i * gramSize + j];
      trace += this.matrix[i * size + i];
    }
    const sumsFinite = this.centre(tokenSum, (row * heads + head) * headDim, length, node);
    if (!Number.isFinite(trace) || !sumsFinite) return Number.NaN;
    symmetricEigenvalues(this.matrix, size, this.sigma, this.work);
    for (let i = 0; i < size; i++) this.sigma[i] = this.sigma[i] > 0 ? Math.sqrt(this.sigma[i]) : 0;
    sortDescending(this.sigma, size);
    return trace;
  }

  /** Does the same as `takeGram` from the head's outputs themselves. */
  private takeContext(context: Float32Array, batch: BatchOutputs, row: number, head: number, node: number): number {
    const { heads, headDim } = this.statistics.shape;
    const { matrix, work } = this;
    const length = batch.lengths[row];
    const tall = length >= headDim;
    work.fill(0, 0, headDim);
    let squares = 0;
    for (let token = 0; token < length; token++) {
      const from = ((row * batch.tokens + token) * heads + head) * headDim;
      for (let i = 0; i < headDim; i++) {
        const value = context[from + i];
        matrix[tall ? i * length + token : token * headDim + i] = value;
        work[i] += value;
        squares += value * value;
      }
    }
    if (!this.centre(work, 0, length, node) || !Number.isFinite(squares)) return Number.NaN;
    singularValues(matrix, Math.max(length, headDim), Math.min(length, headDim), this.sigma);
    sortDescending(this.sigma, Math.min(length, headDim));
    return squares;
  }

  /** Computes o_h − mean(o_h) from a token sum. Returns false if it is not finite. */
  private centre(tokenSum: Float64Array, from: number, length: number, node: number): boolean {
    const { headDim } = this.statistics.shape;
    const { centred } = this;
    const to = node * headDim;
    let sum = 0;
    let largest = 0;
    for (let i = 0; i < headDim; i++) {
      const mean = tokenSum[from + i] / length;
      centred[to + i] = mean;
      sum += mean;
      largest = Math.max(largest, Math.abs(mean));
    }
    const mean = sum / headDim;
    let squares = 0;
    for (let i = 0; i < headDim; i++) {
      centred[to + i] -= mean;
      squares += centred[to + i] * centred[to + i];
    }
    // If all entries are equal, the rest is the rounding of their mean: there is no variance.
    const rounding = 4 * Number.EPSILON * largest;
    if (squares <= headDim * rounding * rounding) {
      centred.fill(0, to, to + headDim);
      squares = 0;
    }
    this.inverseNorm[node] = squares === 0 ? 0 : 1 / Math.sqrt(squares);
    return Number.isFinite(squares);
  }

  private addSpectrum(node: number, length: number, squares: number): void {
    const { statistics, sigma, counts } = this;
    const { xis, headDim } = statistics.shape;
    const m = Math.min(length, headDim);
    richnessCounts(sigma, m, xis, counts);
    for (let x = 0; x < xis.length; x++) {
      const at = x * statistics.nodes + node;
      statistics.counts[at] += counts[x];
      statistics.squares[at] += counts[x] * counts[x];
    }
    this.rowCounts[node] = counts[this.xi];
    let total = 0;
    for (let i = 0; i < m; i++) total += sigma[i];
    if (total > 0) for (let i = 0; i < m; i++) statistics.spectrum.add(node * headDim + i, sigma[i] / total);
    statistics.activation.add(node, squares / (length * headDim));
  }

  /** Adds |r| and |cov| of all pairs of the sequence whose o_h are in `centred`. */
  private addCorrelations(): void {
    const { statistics, centred, inverseNorm, edges } = this;
    const { nodes, bootstrap } = statistics;
    const { headDim } = statistics.shape;
    const usesPearson = bootstrap.shape.correlation === 'pearson';
    const variances = (nodes * (nodes - 1)) / 2;
    let pair = 0;
    let edge = 0; // pairs within a graph
    for (let i = 0; i < nodes; i++) {
      const a = i * headDim;
      const graphEnd = i - (i % bootstrap.graph) + bootstrap.graph;
      for (let j = i + 1; j < nodes; j++) {
        const b = j * headDim;
        let product = 0;
        for (let k = 0; k < headDim; k++) product += centred[a + k] * centred[b + k];
        product = Math.abs(product);
        const pearson = Math.min(1, product * inverseNorm[i] * inverseNorm[j]);
        const covariance = product / (headDim - 1);
        statistics.pearson.add(pair, pearson);
        statistics.covariance.add(pair++, covariance);
        if (j < graphEnd) edges[edge++] = usesPearson ? pearson : covariance;
      }
      let variance = 0;
      for (let k = 0; k < headDim; k++) variance += centred[a + k] * centred[a + k];
      statistics.covariance.add(variances + i, variance / (headDim - 1));
    }
  }
}

function unusable(layer: number, head: number, squares: number) {
  const what = Number.isFinite(squares) ? 'is too large to be measured' : 'is not a finite number';
  return failed(`layer ${layer}, head ${head}: its output ${what}; do the model's weights overflow?`);
}

/** Insertion sort: the values are few and nearly in order. */
function sortDescending(values: Float64Array, length: number): void {
  for (let i = 1; i < length; i++) {
    const value = values[i];
    let j = i - 1;
    for (; j >= 0 && values[j] < value; j--) values[j + 1] = values[j];
    values[j + 1] = value;
  }
}
