import type { Targets } from '../data/label-reading';
import { randomStream } from '../data/random';
import type { Metrics, Predicted } from './metrics';
import { summed } from './summed-metrics';

/** Interval of a metric. */
export interface MetricInterval {
  /** Lower end. */
  low: number;
  /** Upper end. */
  high: number;
}

/** Metric, or a difference of metrics, with its interval over the rows. */
export interface MetricEstimate {
  /** Value on the rows as they are. */
  value: number;
  /** Percentile interval by the bootstrap (Efron 1979). */
  interval: MetricInterval;
}

/**
 * Bootstrap: the share of the replicates inside an interval is `level`. Each end of a sorted list
 * of replicates has `OUTSIDE` beyond the interval, the end itself included.
 */
const BOOTSTRAP = { replicates: 1000, level: 0.95 };
const OUTSIDE = Math.round((BOOTSTRAP.replicates * (1 - BOOTSTRAP.level)) / 2);

/** Answers of one or several models to the same rows. */
export interface ComparedAnswers {
  metrics: Metrics;
  /** Predictions of each model. // [G][n] */
  predictions: readonly (readonly Predicted[])[];
  targets: Targets;
  /** Names of the labels. */
  names: readonly string[];
}

/**
 * Deciding metric of several models on the same rows, and on rows that are drawn from them with
 * replacement. All models have the same draws, so that differences are paired. Rows of relevance
 * are drawn by their queries.
 */
export class ResampledMetric {
  /** Metric of each model on the rows as they are. // [G] */
  private readonly values: number[];
  /** Metric of each model in each replicate. // [G][replicates] */
  private readonly replicates: Float64Array[];
  /** Number of units that are drawn: rows, or queries. */
  readonly units: number;

  constructor({ metrics, predictions, targets, names }: ComparedAnswers, seed: number) {
    const { terms, value } = summed(metrics);
    const all = predictions.map((each) => terms(each, targets, names)); // [G][units][m]
    const random = randomStream(seed, 'bootstrap');
    this.units = all[0].length;
    this.values = predictions.map((each) => metrics.compute(each, targets)[metrics.best]);
    this.replicates = all.map(() => new Float64Array(BOOTSTRAP.replicates));
    const times = new Int32Array(this.units);
    for (let replicate = 0; replicate < BOOTSTRAP.replicates; replicate++) {
      times.fill(0);
      for (let draw = 0; draw < this.units; draw++) times[random.int(this.units)]++;
      for (const [model, ofUnits] of all.entries()) {
        this.replicates[model][replicate] = value(weightedSum(ofUnits, times));
      }
    }
  }

  get settings() {
    return { units: this.units, ...BOOTSTRAP };
  }

  /**
   * Mean over some models, minus the mean over others.
   *
   * @param models numbers of the models
   */
  mean(models: readonly number[], minus: readonly number[] = []): MetricEstimate {
    const { values, replicates } = this;
    const difference = (of: (model: number) => number) => meanOf(models, of) - meanOf(minus, of);
    const sorted = replicates[0].map((_, at) => difference((model) => replicates[model][at])).sort();
    const interval = { low: sorted[OUTSIDE - 1], high: sorted[BOOTSTRAP.replicates - OUTSIDE] };
    return { value: difference((model) => values[model]), interval };
  }
}

/** Mean over some models; 0 for none. */
const meanOf = (models: readonly number[], of: (model: number) => number): number =>
  models.reduce((sum, model) => sum + of(model), 0) / Math.max(1, models.length);

/** Sum of the units' terms, each as often as it was drawn. // [units][m], [units] → [m] */
function weightedSum(terms: readonly (readonly number[])[], times: Int32Array): Float64Array {
  const sums = new Float64Array(terms[0]?.length ?? 0);
  for (const [unit, count] of times.entries()) {
    if (count === 0) continue;
    for (let i = 0; i < sums.length; i++) sums[i] += count * terms[unit][i];
  }
  return sums;
}
