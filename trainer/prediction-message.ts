import { create } from '@bufbuild/protobuf';
import type { EvaluateResult, Prediction } from '../delta/inference-options';
import { entityOf } from '../proto/entity';
import { errorAnalysisMessage, errorAnalysisOf } from '../proto/error-analysis';
import {
  type EvaluateResponse,
  EvaluateResponseSchema,
  type Prediction as PredictionMessage,
  type Predictions,
  PredictionsSchema,
} from '../proto/gen/hifi/v1/trainer_pb';
import { present } from '../proto/matrix';

export function predictionsMessage(rows: readonly Prediction[]): Predictions {
  return create(PredictionsSchema, {
    predictions: rows.map(({ label, ...row }) => ({
      ...row,
      answer: answerMessage(label),
      ...(row.tags && { wordsGiven: true }),
    })),
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
export const predictionsOf = ({ predictions }: Predictions): Prediction[] =>
  predictions.map((message, i) => {
    const { row, logits } = message;
    const answer = answerOf(message, `predictions[${i}]`);
    return { row: present(row, `predictions[${i}].row`), ...answer, logits: [...logits] };
  });

function answerOf(message: PredictionMessage, field: string): Omit<Prediction, 'row' | 'logits'> {
  const { answer, logits, labels, probabilities, score, tags, entities, wordsGiven } = message;
  // An older service marks no given words.
  if (wordsGiven || tags.length > 0) return { tags: [...tags] };
  if (probabilities.length > 0) return { labels: [...labels], probabilities: [...probabilities] };
  if (score !== undefined) return { score };
  if (answer.case !== undefined) return { label: answer.value };
  // Words have no logits, and a text may have no entity.
  if (logits.length === 0) {
    return { entities: entities.map((entity, i) => entityOf(entity, `${field}.entities[${i}]`)) };
  }
  return { label: present(answer.value, `${field}.answer`) };
}

export const evaluationMessage = ({ task, metrics, errorAnalysis, ...result }: EvaluateResult): EvaluateResponse =>
  create(EvaluateResponseSchema, {
    ...result,
    ...(task !== null && { task }),
    metrics: { ...metrics },
    errorAnalysis: errorAnalysisMessage(errorAnalysis),
  });

export const evaluationOf = ({
  task,
  metric,
  rows,
  loss,
  metrics,
  errorAnalysis,
}: EvaluateResponse): EvaluateResult => ({
  task: task ?? null,
  metric,
  rows,
  loss: present(loss, 'loss'),
  metrics: { ...metrics },
  errorAnalysis: errorAnalysisOf(present(errorAnalysis, 'error_analysis'), 'error_analysis'),
});
