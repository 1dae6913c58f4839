import { type Counts, scoresOf, sumOfCounts } from './class-scores';

/*
 * Metrics of several labels per row, as scikit-learn defines them. A row's prediction and its
 * target have 1 for each of its labels, else 0. // [C]
 */

type Rows = ArrayLike<Uint8Array>;

/** F1 of all cells together; 0 if no row has and no row is predicted a label. */
export const microF1 = (predictions: Rows, targets: Rows): number =>
  scoresOf(sumOfCounts(countsByLabel(predictions, targets))).f1;

/** Mean of the labels' F1; a label that no row has and no row is predicted counts 0. */
export function macroF1(predictions: Rows, targets: Rows): number {
  const scores = countsByLabel(predictions, targets).map((counts) => scoresOf(counts).f1);
  return scores.length === 0 ? 0 : scores.reduce((a, b) => a + b, 0) / scores.length;
}

/** Share of rows whose labels are all right; 0 without rows. */
export function subsetAccuracy(predictions: Rows, targets: Rows): number {
  let right = 0;
  for (let row = 0; row < targets.length; row++) {
    if (targets[row].every((has, label) => has === predictions[row][label])) right++;
  }
  return targets.length === 0 ? 0 : right / targets.length;
}

/** True if no row has a label. */
export const isUnlabelled = (targets: Rows): boolean => Array.from(targets).every((target) => !target.includes(1));

/** Counts of each label. // [C] */
export function countsByLabel(predictions: Rows, targets: Rows): Counts[] {
  const counts = Array.from(targets[0] ?? [], () => ({ truePositives: 0, falsePositives: 0, falseNegatives: 0 }));
  for (let row = 0; row < targets.length; row++) {
    for (const [label, of] of counts.entries()) {
      const [predicted, has] = [predictions[row][label], targets[row][label]];
      of.truePositives += predicted & has;
      of.falsePositives += predicted & (1 - has);
      of.falseNegatives += (1 - predicted) & has;
    }
  }
  return counts;
}
