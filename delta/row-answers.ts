import type { Targets } from '../data/label-reading';
import type { LabelSet } from '../data/problem';
import type { RowAnswers } from './inference-options';
import { type Logits, predictions } from './logits';
import type { Predicted } from './metrics';
import { PROBLEMS } from './problems';

/** Answers of all rows from their logits. */
export const rowAnswers = (logits: Logits, targets: Targets, labels: LabelSet): RowAnswers =>
  answersOf(predictions(logits, labels), targets, labels);

/** Answers of all rows from their predictions. */
export function answersOf(
  predicted: readonly Predicted[],
  targets: Targets,
  { problem }: Pick<LabelSet, 'problem'>,
): RowAnswers {
  const { isRight } = PROBLEMS[problem];
  return {
    predicted: predicted.map(compact),
    ...(isRight && { right: predicted.map((each, row) => (isRight(each, targets[row]) ? '1' : '0')).join('') }),
  };
}

/** Compact form of a prediction. */
function compact(predicted: Predicted): number | number[] {
  if (typeof predicted === 'number') return Number(predicted.toPrecision(6));
  if (predicted instanceof Int32Array) return Array.from(predicted);
  return Array.from(predicted.keys()).filter((label) => predicted[label] === 1);
}
