import type { LabelSet } from '../data/problem';
import { type Counts, type PrecisionRecall, scoresOf, sumOfCounts } from './class-scores';
import type { Logits } from './row-logits';
import { sigmoid } from './thresholds';

/**
 * Probabilities of the curves. They are closer together near 0 and 1, where the best thresholds of
 * rare and of frequent labels are.
 */
const CURVE_THRESHOLDS: readonly number[] = [
  ...[0.01, 0.02, 0.05],
  ...Array.from({ length: 17 }, (_, i) => (i + 2) / 20),
  ...[0.95, 0.98, 0.99],
];

/** Values of a curve, one per threshold. */
export interface Curve {
  /** Share of the predictions that are right. */
  precision: number[];
  /** Share of the cases that are found. */
  recall: number[];
  /** Harmonic mean of both. */
  f1: number[];
}

/** Curve of one label. */
export interface LabelCurve extends Curve {
  /** Name of the label. */
  label: string;
}

/** Quality of the predictions of several labels per row, by the threshold of the probability. */
export interface ThresholdCurves {
  /** Thresholds, rising. */
  thresholds: number[];
  /** Curve of all labels together, all with the same threshold. */
  micro: Curve;
  /** Mean of the labels' curves. */
  macro: Curve;
  /** Curve of each label. */
  labels: LabelCurve[];
}

/**
 * Curves of precision, recall and F1; a quotient that is undefined is 0.
 *
 * @param targets 1 for each label of a row, else 0 // [n] of [C]
 */
export function thresholdCurves(
  { values, outputs }: Logits,
  targets: ArrayLike<Uint8Array>,
  { names }: Pick<LabelSet, 'names'>,
): ThresholdCurves {
  const steps = CURVE_THRESHOLDS.length;
  const counts = names.map((_, label) => {
    // Cells by the number of thresholds that they reach, those without the label first.
    const cells = [new Int32Array(steps + 1), new Int32Array(steps + 1)];
    for (let row = 0; row < targets.length; row++) {
      cells[targets[row][label]][stepsReached(sigmoid(values[row * outputs + label]))]++;
    }
    return countsByStep(cells[0], cells[1]);
  });
  const labels = names.map((label, at) => ({ label, ...curveOf(counts[at].map(scoresOf)) }));
  const micro = CURVE_THRESHOLDS.map((_, step) => scoresOf(sumOfCounts(counts.map((each) => each[step]))));
  return { thresholds: [...CURVE_THRESHOLDS], micro: curveOf(micro), macro: meanCurve(labels), labels };
}

/** Number of thresholds that a probability reaches; they are the first ones. */
function stepsReached(probability: number): number {
  let [low, high] = [0, CURVE_THRESHOLDS.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (probability >= CURVE_THRESHOLDS[middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

function countsByStep(without: Int32Array, having: Int32Array): Counts[] {
  const above = (cells: Int32Array, step: number) => cells.subarray(step + 1).reduce((a, b) => a + b, 0);
  const all = having.reduce((a, b) => a + b, 0);
  return CURVE_THRESHOLDS.map((_, step) => {
    const truePositives = above(having, step);
    return { truePositives, falsePositives: above(without, step), falseNegatives: all - truePositives };
  });
}

const curveOf = (points: readonly PrecisionRecall[]): Curve => ({
  precision: points.map(({ precision }) => precision),
  recall: points.map(({ recall }) => recall),
  f1: points.map(({ f1 }) => f1),
});

function meanCurve(curves: readonly Curve[]): Curve {
  const mean = (of: keyof Curve) =>
    CURVE_THRESHOLDS.map((_, step) => curves.reduce((sum, curve) => sum + curve[of][step], 0) / curves.length);
  return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
}
