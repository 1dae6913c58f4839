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
    predictions: rows.map(({ row, label, logits }) => ({
      row,
      logits,
      answer:
        typeof label === 'string'
          ? ({ case: 'label', value: label } as const)
          : ({ case: 'value', value: label } as const),
    })),
  });
}

/** Reads predictions. @throws HifiError INVALID_INPUT for a row without its number or its answer */
export function predictionsOf({ predictions }: Predictions): Prediction[] {
  return predictions.map(({ row, logits, answer }, i) => ({
    row: present(row, `predictions[${i}].row`),
    label: present(answer.value, `predictions[${i}].answer`),
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
