/** Counts of one label. */
export interface Counts {
  /** Number of cases that are found. */
  truePositives: number;
  /** Number of wrong predictions of the label. */
  falsePositives: number;
  /** Number of cases that are missed. */
  falseNegatives: number;
}

/** Precision, recall and their harmonic mean, 0 … 1 each; 0 if a quotient is undefined. */
export interface PrecisionRecall {
  /** Share of the predictions that are right. */
  precision: number;
  /** Share of the cases that are found. */
  recall: number;
  /** Harmonic mean of both. */
  f1: number;
}

/** Quality of the predictions of one class, label, tag or type of entity. */
export interface ClassScores extends PrecisionRecall, Counts {
  /** Name of the class. */
  label: string;
  /** Number of cases that have the label. */
  support: number;
  /** Probability from which the label is predicted, with several labels per row; else absent. */
  threshold?: number;
}

/** Means over the classes. A class without cases and predictions counts as 0. */
export interface ClassAverages {
  /** Scores of all counts together; accuracy if each case has one class and one prediction. */
  micro: PrecisionRecall;
  /** Mean of the classes. */
  macro: PrecisionRecall;
  /** Mean of the classes, each weighted by its support. */
  weighted: PrecisionRecall;
}

const ratio = (a: number, b: number) => (b === 0 ? 0 : a / b);

/** Scores of some counts. */
export const scoresOf = ({ truePositives, falsePositives, falseNegatives }: Counts): PrecisionRecall => ({
  precision: ratio(truePositives, truePositives + falsePositives),
  recall: ratio(truePositives, truePositives + falseNegatives),
  f1: ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives),
});

/** Scores of each class. @param thresholds of the classes, if they have any // [C] */
export const classScores = (
  labels: readonly string[],
  counts: readonly Counts[],
  thresholds?: readonly number[],
): ClassScores[] =>
  labels.map((label, at) => ({
    label,
    ...scoresOf(counts[at]),
    support: counts[at].truePositives + counts[at].falseNegatives,
    ...counts[at],
    ...(thresholds && { threshold: thresholds[at] }),
  }));

/** Sum of the counts of all classes. */
export const sumOfCounts = (counts: readonly Counts[]): Counts =>
  counts.reduce(
    (sum, each) => ({
      truePositives: sum.truePositives + each.truePositives,
      falsePositives: sum.falsePositives + each.falsePositives,
      falseNegatives: sum.falseNegatives + each.falseNegatives,
    }),
    { truePositives: 0, falsePositives: 0, falseNegatives: 0 },
  );

/** Means over classes, as `classification_report` of scikit-learn and seqeval have them. */
export function classAverages(classes: readonly ClassScores[]): ClassAverages {
  const mean = (weightOf: (each: ClassScores) => number): PrecisionRecall => {
    const all = classes.reduce((sum, each) => sum + weightOf(each), 0);
    const of = (name: keyof PrecisionRecall) =>
      ratio(
        classes.reduce((sum, each) => sum + weightOf(each) * each[name], 0),
        all,
      );
    return { precision: of('precision'), recall: of('recall'), f1: of('f1') };
  };
  return {
    micro: scoresOf(sumOfCounts(classes)),
    macro: mean(() => 1),
    weighted: mean(({ support }) => support),
  };
}
