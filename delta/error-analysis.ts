import type { Dataset } from '../data/dataset';
import type { Targets } from '../data/label-reading';
import type { LabelSet, ProblemType } from '../data/problem';
import { type ClassAverages, type ClassScores, type Counts, classAverages, classScores } from './class-scores';
import { type Confusion, classConfusion, countsOf, entityConfusion, severalConfusion, tagConfusion } from './confusion';
import { isIob2 } from './entities';
import { predictions } from './logits';
import type { Predicted } from './metrics';
import type { Logits } from './row-logits';
import { countsByLabel } from './several-metrics';
import { type ThresholdCurves, thresholdCurves } from './threshold-curves';
import { type WorstRow, worstRows } from './worst-rows';

/** What a model gets right and wrong on labelled rows, by class and by row. */
export interface ErrorAnalysis {
  /** Number of rows. */
  rows: number;
  /** What the classes' counts count; absent for numbers and relevance, which have no classes. */
  unit?: ErrorUnit;
  /** Each class, label, tag or type of entity, in the order of the logits; absent without classes. */
  classes?: ClassScores[];
  /** Means over the classes; absent without classes. */
  averages?: ClassAverages;
  /** Confusion matrix; absent without classes. */
  confusion?: Confusion;
  /** Curves over the threshold, with several labels per row; else absent. */
  thresholdCurves?: ThresholdCurves;
  /** Number of wrongly predicted rows; of a relevance, of queries with an nDCG@10 below 1. */
  wrong: number;
  /** Rows that the model is most wrong about, the worst first. */
  worst: WorstRow[];
}

/** Kinds of cases that an error analysis counts. */
export const ERROR_UNITS = ['rows', 'words', 'entities'] as const;
export type ErrorUnit = (typeof ERROR_UNITS)[number];

interface ClassAnalysis {
  unit: ErrorUnit;
  confusion: Confusion;
  counts: Counts[];
}

type Classes<T> = (predicted: ArrayLike<T>, targets: ArrayLike<T>, names: readonly string[]) => ClassAnalysis;

const byMatrix = (unit: ErrorUnit, confusion: Confusion) => ({ unit, confusion, counts: countsOf(confusion) });

const rowClasses: Classes<number> = (...rows) => byMatrix('rows', classConfusion(...rows));

const severalClasses: Classes<Uint8Array> = (predicted, targets, names) => ({
  unit: 'rows',
  confusion: severalConfusion(predicted, targets, names),
  counts: countsByLabel(predicted, targets),
});

const wordClasses: Classes<Int32Array> = (predicted, targets, names) =>
  isIob2(names)
    ? byMatrix('entities', entityConfusion(predicted, targets, names))
    : byMatrix('words', tagConfusion(predicted, targets, names));

interface Analyses {
  /** Absent for a problem without classes. */
  classes?: Classes<never>;
  /** Absent for a problem without thresholds. */
  curves?: typeof thresholdCurves;
}

/** Analyses of each problem, which receive its own predictions and targets. */
const ANALYSES: Readonly<Record<ProblemType, Analyses>> = {
  'single-label': { classes: rowClasses },
  'multi-label': { classes: severalClasses, curves: thresholdCurves },
  regression: {},
  tokens: { classes: wordClasses },
  relevance: {},
};

/**
 * Analyses the errors of a model on labelled rows.
 *
 * @param logits logits of the rows
 * @param labels labels of the model, with its thresholds
 * @param omitTexts true to leave the rows' texts out
 */
export function errorAnalysis(
  logits: Logits,
  { dataset, targets }: { dataset: Dataset; targets: Targets },
  labels: LabelSet,
  omitTexts = false,
): ErrorAnalysis {
  const predicted: Predicted[] = predictions(logits, labels);
  const { classes, curves } = ANALYSES[labels.problem];
  return {
    rows: targets.length,
    ...(classes && classAnalysis(classes as Classes<Predicted>, predicted, targets, labels)),
    ...(curves && { thresholdCurves: curves(logits, targets as ArrayLike<Uint8Array>, labels) }),
    ...worstRows({ dataset, targets, logits, predictions: predicted }, labels, omitTexts),
  };
}

function classAnalysis(
  analyse: Classes<Predicted>,
  predicted: readonly Predicted[],
  targets: Targets,
  { names, thresholds }: LabelSet,
) {
  const { unit, confusion, counts } = analyse(predicted, targets as ArrayLike<Predicted>, names);
  const labels = confusion.labels.filter((label) => label !== null);
  const classes = classScores(labels, counts, thresholds);
  return { unit, classes, averages: classAverages(classes), confusion };
}
