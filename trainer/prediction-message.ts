import { create } from '@bufbuild/protobuf';
import type { EvaluateResult, Prediction } from '../delta/inference-options';
import {
  type EvaluateResponse,
  EvaluateResponseSchema,
  type Predictions,
  PredictionsSchema,
} from '../proto/gen/hifi/v1/trainer_pb';
import { present } from '../proto/matrix';

export function predictionsMessage(rows: readonly Prediction[]): Predictions {
  return create(PredictionsSchema, {
    predictions: rows.map(({ label, ...row }) => ({ ...row, answer: answerMessage(label) })),
  });
}

function answerMessage(label: Prediction['label']) {
  switch (typeof label) {
    case 'string':
      return { case: 'label', value: label } as const;
    case 'number':
      return { case: 'value', value: label } as const;
    case 'undefined':
      return undefined;
  }
}

/** Reads predictions. @throws HifiError INVALID_INPUT for a row without its number or its answer */
export function predictionsOf({ predictions }: Predictions): Prediction[] {
  return predictions.map(({ row, logits, answer, labels, probabilities, score }, i) => ({
    row: present(row, `predictions[${i}].row`),
    ...(probabilities.length > 0
      ? { labels: [...labels], probabilities: [...probabilities] }
      : score !== undefined
        ? { score }
        : { label: present(answer.value, `predictions[${i}].answer`) }),
    logits: [...logits],
  }));
}

export function evaluationMessage({ task, metrics, ...result }: EvaluateResult): EvaluateResponse {
  return create(EvaluateResponseSchema, { ...result, ...(task !== null && { task }), metrics: { ...metrics } });
}

export const evaluationOf = ({ task, metric, rows, loss, metrics }: EvaluateResponse): EvaluateResult => ({
  task: task ?? null,
  metric,
  rows,
  loss: present(loss, 'loss'),
  metrics: { ...metrics },
});
