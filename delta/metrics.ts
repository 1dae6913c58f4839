import type { Target, Targets } from '../data/label-reading';
import type { TaskName } from '../data/tasks';
import { spearman } from '../heads/spearman';
import { averagePrecision, isIrrelevant, ndcg, reciprocalRank } from './relevance-metrics';
import { isUnlabelled, macroF1, microF1, subsetAccuracy } from './several-metrics';
import { entityF1, hasNoEntity, wordAccuracy } from './word-metrics';

/**
 * Prediction for a row: a class index, a value or a score; with several labels per row 1 or 0 for
 * each, [C]; of words the class index of each.
 */
export type Predicted = number | Uint8Array | Int32Array;

/** Metrics of a task. */
export interface Metrics {
  /** Keys of the values of `compute`, the deciding one first. */
  readonly names: readonly string[];
  /** Key of the metric that decides the best epoch. Larger is better for all deciding metrics. */
  readonly best: string;
  /** Metric that decides; problems may share a key. */
  readonly deciding: MetricName;
  /**
   * Computes the metrics.
   *
   * @throws RangeError if the two differ in length, or a number is not finite
   */
  compute(predictions: ArrayLike<Predicted>, targets: Targets): Record<string, number>;
  /**
   * Returns true if these targets leave the deciding metric undefined for any prediction. It is
   * then 0.
   */
  isUndefinedOn(targets: Targets): boolean;
}

/** Quality of predictions, as far as it decides between candidates. */
export interface Quality {
  /** Deciding metric. */
  value: number;
  /** Mean loss, if the metric is undefined on the rows: then the loss decides. */
  loss?: number;
}

/**
 * Returns true if a quality is better than the best one before it, of an epoch, a learning rate or
 * a penalty. The larger metric is better; if it is undefined, the lower loss. Of equals the earlier
 * is better.
 */
export function isBetter(now: Quality, best: Quality): boolean {
  if (now.loss !== undefined && best.loss !== undefined) return now.loss < best.loss;
  return now.value > best.value;
}

/**
 * Extracts the quality from {@link Metrics.compute}'s values with their `loss`.
 * @param byLoss true if the metric is undefined on the rows
 */
export const qualityOf = (metrics: Metrics, values: Record<string, number>, byLoss: boolean): Quality => ({
  value: values[metrics.best],
  ...(byLoss && { loss: values.loss }),
});

/** Metric of a problem's predictions and targets, which it alone knows. */
type Metric = { of(predictions: ArrayLike<Predicted>, targets: Targets, names: readonly string[]): number }['of'];

const METRICS = {
  accuracy,
  f1,
  matthews,
  pearson,
  spearman,
  mse: meanSquaredError,
  majorityAccuracy: (_: ArrayLike<number>, labels: ArrayLike<number>) => majorityAccuracy(labels),
  f1_micro: microF1,
  f1_macro: macroF1,
  subset_accuracy: subsetAccuracy,
  ndcg_at_10: ndcg,
  mrr_at_10: reciprocalRank,
  average_precision: averagePrecision,
  entity_f1: entityF1,
  word_accuracy: wordAccuracy,
} satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;

/** Key of a metric in results, if it is not its name: problems may share a key. */
const KEYS: Partial<Record<MetricName, string>> = { entity_f1: 'f1', word_accuracy: 'accuracy' };

/**
 * Returns true for labels on which a deciding metric is undefined; the others are defined on all
 * labels.
 */
const UNDEFINED_ON: Partial<Record<MetricName, { on(targets: Targets, names: readonly string[]): boolean }['on']>> = {
  f1: (labels: ArrayLike<number>) => count(labels.length, (i) => labels[i] === 1) === 0,
  matthews: isConstant,
  pearson: isConstant,
  f1_micro: isUnlabelled,
  ndcg_at_10: isIrrelevant,
  entity_f1: hasNoEntity,
};

function isConstant(labels: ArrayLike<number>): boolean {
  return count(labels.length, (i) => labels[i] !== labels[0]) === 0;
}

/**
 * GLUE's metrics (Wang et al. 2019, table 1), the deciding one first. WNLI also has the majority's
 * accuracy.
 */
const TASK_METRICS: Readonly<Record<TaskName, readonly MetricName[]>> = {
  cola: ['matthews'],
  sst2: ['accuracy'],
  mrpc: ['f1', 'accuracy'],
  stsb: ['pearson', 'spearman'],
  qqp: ['f1', 'accuracy'],
  mnli: ['accuracy'],
  qnli: ['accuracy'],
  rte: ['accuracy'],
  wnli: ['accuracy', 'majorityAccuracy'],
};

/**
 * Key of MNLI's second metric, accuracy on the mismatched file. `accuracy`, on the matched file,
 * decides.
 */
export const MISMATCHED = 'accuracyMismatched';

/**
 * Metrics of a task.
 * @param own those of rows of no task, see `metricsOf`
 * @param labels names of the labels
 */
export function metricsFor(
  task: TaskName | null | undefined,
  own: readonly MetricName[],
  labels: readonly string[] = [],
): Metrics {
  const names = task ? TASK_METRICS[task] : own;
  const keys = names.map((name) => KEYS[name] ?? name);
  return {
    names: keys,
    best: keys[0],
    deciding: names[0],
    compute(predictions, targets) {
      checkValues(predictions, targets);
      const metric = (name: MetricName): Metric => METRICS[name];
      return Object.fromEntries(names.map((name, at) => [keys[at], metric(name)(predictions, targets, labels)]));
    },
    isUndefinedOn: (targets) => UNDEFINED_ON[names[0]]?.(targets, labels) ?? false,
  };
}

function checkValues(predictions: ArrayLike<Predicted>, targets: Targets): void {
  if (predictions.length !== targets.length) {
    throw new RangeError(`${predictions.length} predictions for ${targets.length} labels`);
  }
  const isWrong = (value: Predicted | Target) => typeof value === 'number' && !Number.isFinite(value);
  for (let i = 0; i < targets.length; i++) {
    if (isWrong(predictions[i])) throw new RangeError(`the prediction of row ${i} is ${predictions[i]}`);
    if (isWrong(targets[i])) throw new RangeError(`the label of row ${i} is ${targets[i]}`);
  }
}

/** Class with the largest logit; of equal ones the lowest. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}

/** Quotient; 0 if it is undefined. */
const ratio = (a: number, b: number) => (b === 0 ? 0 : a / b);

const count = (n: number, holds: (i: number) => boolean) => {
  let hits = 0;
  for (let i = 0; i < n; i++) if (holds(i)) hits++;
  return hits;
};

/** Share of predictions that equal their label; 0 without rows. */
export function accuracy(predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  return ratio(
    count(labels.length, (i) => predictions[i] === labels[i]),
    labels.length,
  );
}

/** Accuracy of a constant prediction of the most frequent label. */
function majorityAccuracy(labels: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (let i = 0; i < labels.length; i++) counts.set(labels[i], (counts.get(labels[i]) ?? 0) + 1);
  return ratio(Math.max(0, ...counts.values()), labels.length);
}

/** Counts of class 1 among two classes. */
type BinaryCounts = Record<'tp' | 'fp' | 'fn' | 'tn', number>;

function confusion(predictions: ArrayLike<number>, labels: ArrayLike<number>): BinaryCounts {
  const cell = (predicted: boolean, real: boolean) =>
    count(labels.length, (i) => (predictions[i] === 1) === predicted && (labels[i] === 1) === real);
  return { tp: cell(true, true), fp: cell(true, false), fn: cell(false, true), tn: cell(false, false) };
}

/** Harmonic mean of precision and recall of class 1; 0 if no label and no prediction is class 1. */
export function f1(predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  const { tp, fp, fn } = confusion(predictions, labels);
  return ratio(2 * tp, 2 * tp + fp + fn);
}

/** Matthews correlation of two classes, −1 to 1; 0 if one side has only one class. */
export function matthews(predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  return matthewsOf(confusion(predictions, labels));
}

/** {@link matthews} of counts. */
export function matthewsOf({ tp, fp, fn, tn }: BinaryCounts): number {
  return ratio(tp * tn - fp * fn, Math.sqrt((tp + fp) * (tp + fn)) * Math.sqrt((tn + fp) * (tn + fn)));
}

/** Pearson correlation, −1 to 1; 0 if one side is constant. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const x = centred(a);
  const y = centred(b);
  const dot = (u: Float64Array, v: Float64Array) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  const r = ratio(dot(x, y), Math.sqrt(dot(x, x)) * Math.sqrt(dot(y, y)));
  return Math.min(1, Math.max(-1, r));
}

/**
 * Returns the values minus their mean, divided by the largest absolute value. A correlation does
 * not depend on this, and squares neither under- nor overflow. The first value is subtracted first,
 * so that equal values give exact zeros.
 */
function centred(values: ArrayLike<number>): Float64Array {
  const shifted = Float64Array.from(values, (value) => value - values[0]);
  const mean = ratio(
    shifted.reduce((a, b) => a + b, 0),
    shifted.length,
  );
  const found = shifted.map((value) => value - mean);
  const largest = found.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest === 0 ? found : found.map((value) => value / largest);
}

/** Mean of the squared differences; 0 without rows. */
export function meanSquaredError(predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < labels.length; i++) sum += (predictions[i] - labels[i]) ** 2;
  return ratio(sum, labels.length);
}
