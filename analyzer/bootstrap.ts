import type { CorrelationKind, Scope } from '../heads/head-report';
import { mix, poissonWeight, REPLICATES, replicateKeys } from './poisson-weights';

/**
 * Shape that replicates must share to be added: their weights, and the pairs of heads over which
 * they sum.
 */
export interface BootstrapShape {
  /** Seed of the weights; unsigned 32-bit. */
  seed: number;
  /** Correlation of the pairs that is summed. */
  correlation: CorrelationKind;
  /** Pairs within a layer or of the whole model, as the ranking's graphs have edges. */
  scope: Scope;
}

/** Sums of the replicates as plain data. */
export interface BootstrapData {
  draws: Float64Array;
  sums: Float64Array;
}

/**
 * Quanta into which a correlation is split. Each sum is a whole multiple of its quantum, below 2⁵³
 * of them for 2²⁶ rows, so all additions are exact (docs/method.md). |r| ≤ 1 needs one quantum.
 * |cov| may be as large as 2²⁶ and as small as the square of a small output.
 */
const QUANTA: Record<CorrelationKind, readonly number[]> = {
  pearson: [2 ** -26],
  covariance: [1, 2 ** -26, 2 ** -52],
};

/**
 * Size of a bootstrap's sums in bytes: 0.75 MB for 6 layers of 12 heads; 118 MB for the 73,536
 * pairs of a whole model of 24 × 16.
 */
export function bootstrapBytes(shape: BootstrapShape, layers: number, heads: number): number {
  return 8 * REPLICATES * sizesOf(shape, layers, heads).columns;
}

function sizesOf({ correlation, scope }: BootstrapShape, layers: number, heads: number) {
  const nodes = layers * heads;
  const graph = scope === 'layer' ? heads : nodes;
  const pairs = (nodes * (graph - 1)) / 2;
  return { nodes, graph, pairs, columns: nodes + QUANTA[correlation].length * pairs };
}

/**
 * Number of columns that are summed together: their part of a batch's rows fits the processor's
 * cache.
 */
const TILE = 1024;

/** Number of rows that one pass over a replicate's sums adds. */
const STRIDE = 4;

/**
 * Bootstrap of the sample (Efron 1979; docs/method.md): sums of t and of the pairs' correlation. In
 * each replicate a row counts as often as its Poisson(1) weight says. Memory does not grow with the
 * rows; parts of a sample add up to the same bits.
 */
export class BootstrapSums {
  /** Σw of each replicate. */
  readonly draws: Float64Array;
  /**
   * Sums, [replicates, columns]: Σw·t of the N heads, then Σw·c of the pairs, a block of all pairs
   * for each quantum.
   */
  readonly sums: Float64Array;
  /** Number of heads, N = L·H. */
  readonly nodes: number;
  /** Number of nodes of one graph, H or N. The pairs are i < j within each graph, row by row. */
  readonly graph: number;
  /** Number of pairs. */
  readonly pairs: number;
  private readonly columns: number;
  private readonly quanta: readonly number[];
  private readonly keys: Uint32Array;
  /** Rows to be added, [rows, columns], with the hashes of their weights. */
  private rows = new Float64Array(0);
  private hashes: number[] = [];

  constructor(
    readonly shape: BootstrapShape,
    layers: number,
    heads: number,
    data?: BootstrapData,
  ) {
    const { nodes, graph, pairs, columns } = sizesOf(shape, layers, heads);
    this.nodes = nodes;
    this.graph = graph;
    this.pairs = pairs;
    this.columns = columns;
    this.quanta = QUANTA[shape.correlation];
    this.keys = replicateKeys(shape.seed);
    this.draws = data?.draws ?? new Float64Array(REPLICATES);
    this.sums = data?.sums ?? new Float64Array(REPLICATES * this.columns);
  }

  /**
   * Takes a row. The next `flush` adds it.
   *
   * @param row number of the row in the data
   * @param counts t of the N heads
   * @param correlations c of the pairs, 0 ≤ c ≤ 2²⁶, which are rounded to the last quantum
   */
  add(row: number, counts: Float64Array, correlations: Float64Array): void {
    const from = this.hashes.length * this.columns;
    if (this.rows.length < from + this.columns) {
      const grown = new Float64Array(Math.max(from + this.columns, 2 * this.rows.length));
      grown.set(this.rows);
      this.rows = grown;
    }
    this.hashes.push(mix(row));
    this.rows.set(counts, from);
    splitToQuanta(correlations, this.quanta, this.rows, from + this.nodes);
  }

  /**
   * Adds the rows since the last call to all replicates: weights [replicates, rows] × rows [rows,
   * columns].
   */
  flush(): void {
    const { columns, rows, sums, hashes } = this;
    const most = Math.ceil(hashes.length / STRIDE) * STRIDE;
    const counts = new Int32Array(REPLICATES); // drawn rows, in whole strides
    const drawn = new Int32Array(REPLICATES * most); // start of each drawn row in `rows`
    const weights = new Float64Array(REPLICATES * most); // 0 for rows that fill up a stride
    for (let replicate = 0; replicate < REPLICATES; replicate++) {
      let count = 0;
      for (let row = 0; row < hashes.length; row++) {
        const weight = poissonWeight(this.keys[replicate], hashes[row]);
        if (weight === 0) continue;
        this.draws[replicate] += weight;
        drawn[replicate * most + count] = row * columns;
        weights[replicate * most + count++] = weight;
      }
      counts[replicate] = Math.ceil(count / STRIDE) * STRIDE;
    }
    for (let from = 0; from < columns; from += TILE) {
      const length = Math.min(TILE, columns - from);
      for (let replicate = 0; replicate < REPLICATES; replicate++) {
        const to = replicate * columns + from;
        const end = replicate * most + counts[replicate];
        for (let i = replicate * most; i < end; i += STRIDE) addRows(sums, to, length, rows, from, drawn, weights, i);
      }
    }
    this.hashes = [];
  }

  /** Adds the replicates of another part. */
  merge(other: BootstrapSums): void {
    for (let i = 0; i < this.draws.length; i++) this.draws[i] += other.draws[i];
    for (let i = 0; i < this.sums.length; i++) this.sums[i] += other.sums[i];
  }

  /** Σw·t of the N heads in one replicate. */
  counts(replicate: number): Float64Array {
    const from = replicate * this.columns;
    return this.sums.subarray(from, from + this.nodes);
  }

  /** Σw·c of a pair in one replicate. */
  correlation(replicate: number, pair: number): number {
    let at = replicate * this.columns + this.nodes + pair;
    let sum = 0;
    for (let q = 0; q < this.quanta.length; q++) {
      sum += this.sums[at];
      at += this.pairs;
    }
    return sum;
  }
}

/**
 * Splits each value into whole multiples of the quanta, with the last one rounded. `to` gets a
 * block of all values for each quantum.
 */
function splitToQuanta(values: Float64Array, quanta: readonly number[], to: Float64Array, from: number): void {
  let at = from;
  const last = quanta.length - 1;
  const rest = last === 0 ? values : values.slice();
  for (let q = 0; q < last; q++) {
    const quantum = quanta[q];
    for (let i = 0; i < rest.length; i++) {
      const part = Math.floor(rest[i] / quantum) * quantum;
      to[at++] = part;
      rest[i] -= part;
    }
  }
  const quantum = quanta[last];
  for (let i = 0; i < rest.length; i++) to[at++] = Math.round(rest[i] / quantum) * quantum;
}

/**
 * Adds the rows r of one stride: sums[to …] += Σ weights[i + r]·rows[drawn[i + r] + from …]. It is
 * a small function of its own, so that the compiler optimises it after a few hundred calls, within
 * the first batch.
 */
function addRows(
  sums: Float64Array,
  to: number,
  length: number,
  rows: Float64Array,
  from: number,
  drawn: Int32Array,
  weights: Float64Array,
  i: number,
): void {
  const a = drawn[i] + from;
  const b = drawn[i + 1] + from;
  const c = drawn[i + 2] + from;
  const d = drawn[i + 3] + from;
  const wa = weights[i];
  const wb = weights[i + 1];
  const wc = weights[i + 2];
  const wd = weights[i + 3];
  for (let column = 0; column < length; column++) {
    sums[to + column] += wa * rows[a + column] + wb * rows[b + column] + wc * rows[c + column] + wd * rows[d + column];
  }
}
