import type { Judgement, Targets } from '../data/label-reading';
import { type Counts, scoresOf, sumOfCounts } from './class-scores';
import { countsOf, entityConfusion } from './confusion';
import { type MetricName, type Metrics, matthewsOf, type Predicted } from './metrics';
import { rankings } from './relevance-metrics';
import { countsByLabel } from './several-metrics';

/*
 * Deciding metrics as functions of sums over units: rows, or queries of relevance. So a metric of
 * resampled rows needs no second pass over their answers.
 */

/** Metric of a problem's predictions and targets, which it alone knows. */
interface SummedMetric {
  /** What each unit adds to the sums, in the order of the targets. // [units][m] */
  terms(predictions: ArrayLike<Predicted>, targets: Targets, names: readonly string[]): number[][];
  /** Value of the metric. @param sums over all units // [m] */
  value(sums: Float64Array): number;
}

const quotient = ([part, all]: Float64Array): number => (all > 0 ? part / all : 0);

/** Share of the cases that are right. */
const share = (terms: SummedMetric['terms']): SummedMetric => ({ terms, value: quotient });

/** F1 of counts. */
const f1 = (countsOfRow: {
  of(prediction: Predicted, target: Targets[number], names: readonly string[]): Counts;
}): SummedMetric => ({
  terms: (predictions, targets, names) =>
    eachRow(targets, (target, row) => {
      const counts = countsOfRow.of(predictions[row], target, names);
      return [counts.truePositives, counts.falsePositives, counts.falseNegatives];
    }),
  value: ([truePositives, falsePositives, falseNegatives]) =>
    scoresOf({ truePositives, falsePositives, falseNegatives }).f1,
});

const eachRow = <T>(targets: ArrayLike<T>, terms: (target: T, row: number) => number[]) => Array.from(targets, terms);

const SUMMED: Partial<Record<MetricName, SummedMetric>> = {
  accuracy: share((predictions, targets) =>
    eachRow(targets, (target, row) => [Number(predictions[row] === target), 1]),
  ),
  f1: f1({
    of: (prediction: number, target: number) => ({
      truePositives: Number(prediction === 1 && target === 1),
      falsePositives: Number(prediction === 1 && target !== 1),
      falseNegatives: Number(prediction !== 1 && target === 1),
    }),
  }),
  matthews: {
    terms: (predictions: ArrayLike<number>, targets: ArrayLike<number>) =>
      eachRow(targets, (target, row) => {
        const [predicted, real] = [predictions[row] === 1, target === 1];
        return [predicted && real, predicted && !real, !predicted && real, !predicted && !real].map(Number);
      }),
    value: ([tp, fp, fn, tn]) => matthewsOf({ tp, fp, fn, tn }),
  },
  pearson: {
    // The first values are subtracted, so that equal values give exact zeros.
    terms: (predictions: ArrayLike<number>, targets: ArrayLike<number>) =>
      eachRow(targets, (target, row) => {
        const [x, y] = [predictions[row] - predictions[0], target - targets[0]];
        return [1, x, y, x * x, y * y, x * y];
      }),
    value: ([n, x, y, xx, yy, xy]) => {
      const [ofX, ofY] = [n * xx - x * x, n * yy - y * y];
      return ofX <= 0 || ofY <= 0 ? 0 : Math.min(1, Math.max(-1, (n * xy - x * y) / Math.sqrt(ofX) / Math.sqrt(ofY)));
    },
  },
  f1_micro: f1({
    of: (prediction: Uint8Array, target: Uint8Array) => sumOfCounts(countsByLabel([prediction], [target])),
  }),
  ndcg_at_10: share((predictions: ArrayLike<number>, targets: ArrayLike<Judgement>) =>
    rankings(predictions, targets).map((query) => [query.ndcg, 1]),
  ),
  entity_f1: f1({
    of: (prediction: Int32Array, target: Int32Array, names) =>
      sumOfCounts(countsOf(entityConfusion([prediction], [target], names))),
  }),
  word_accuracy: share((predictions: ArrayLike<Int32Array>, targets: ArrayLike<Int32Array>) =>
    eachRow(targets, (tags, row) => [tags.filter((tag, word) => tag === predictions[row][word]).length, tags.length]),
  ),
};

/** Deciding metric in sums. */
export const summed = ({ deciding }: Pick<Metrics, 'deciding'>): SummedMetric => SUMMED[deciding]!;
