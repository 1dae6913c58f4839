import type { LabelSet } from '../data/problem';
import { logitCount } from '../data/problem';
import { predictions, score } from '../delta/logits';
import { isBetter, type Metrics, type Quality, qualityOf } from '../delta/metrics';
import { breathe } from '../foundation/breathe';
import type { StageProgress } from '../foundation/progress';
import { type EmbeddingFile, featuresOf } from './features';
import { fitLogistic, type LogisticModel, logisticLogits, type Matrix } from './logistic';

/** Inverse penalties, compared on the dev rows. Of equals the smallest wins: it shrinks most. */
const PENALTIES = [1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];

/** Rows predicted at once. */
const BLOCK = 4096;

/** Features of rows, and their classes. */
export interface LabelledFeatures {
  x: Matrix;
  y: number[];
}

/** Regression with the penalty that was best on the dev rows, and its quality there. */
export interface ChosenRegression {
  c: number;
  model: LogisticModel;
  dev: Quality;
}

/** Fits logistic regression with each penalty and keeps the best on the dev rows. */
export async function* searchPenalty(
  { train, dev }: Record<'train' | 'dev', LabelledFeatures>,
  { labels, metrics, byLoss }: { labels: LabelSet; metrics: Metrics; byLoss: boolean },
  signal: AbortSignal,
): AsyncGenerator<StageProgress, ChosenRegression> {
  const classes = logitCount(labels);
  let best: ChosenRegression | undefined;
  for (const [i, c] of PENALTIES.entries()) {
    yield { kind: 'progress', stage: 'regression', done: i, total: PENALTIES.length, unit: 'penalties' };
    await breathe(signal);
    const model = fitLogistic(train.x, train.y, classes, c);
    const logits = { values: logisticLogits(model, dev.x), outputs: classes };
    const value = qualityOf(metrics, score(logits, dev.y, labels, metrics), byLoss);
    if (best === undefined || isBetter(value, best.dev)) best = { c, model, dev: value };
  }
  return best!;
}

/** Classes that a regression predicts for rows of embedding files, file after file. */
export async function predictedClasses(
  model: LogisticModel,
  parts: readonly { file: EmbeddingFile; rows: Int32Array }[],
  labels: LabelSet,
  signal: AbortSignal,
): Promise<number[]> {
  const predicted: number[] = [];
  for (const { file, rows } of parts) {
    for (let at = 0; at < rows.length; at += BLOCK) {
      const values = logisticLogits(model, featuresOf(file, rows.subarray(at, at + BLOCK)));
      const answers = predictions({ values, outputs: logitCount(labels) }, labels) as number[];
      for (const answer of answers) predicted.push(answer);
      await breathe(signal);
    }
  }
  return predicted;
}

/** Numbers of all rows. */
export const everyRow = (count: number) => Int32Array.from({ length: count }, (_, row) => row);
