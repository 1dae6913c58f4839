import type { Dataset } from '../data/dataset';
import type { Targets } from '../data/label-reading';
import type { LabelSet, ProblemType } from '../data/problem';
import { type Counts, classAverages, classScores } from './class-scores';
import { type Confusion, classConfusion, countsOf, entityConfusion, severalConfusion, tagConfusion } from './confusion';
import { isIob2 } from './entities';
import type { ErrorAnalysis, ErrorUnit } from './error-analysis';
import { predictions } from './logits';
import type { Predicted } from './metrics';
import type { Logits } from './row-logits';
import { countsByLabel } from './several-metrics';
import { thresholdCurves } from './threshold-curves';
import { worstRows } from './worst-rows';

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
export function analyseErrors(
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
