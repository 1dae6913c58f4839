import { z } from 'zod';
import { ERROR_UNITS, type ErrorAnalysis } from '../delta/error-analysis';
import { count, list, number, object, oneOf, positive, text } from './result-rules';

const precisionRecall = object({ precision: number, recall: number, f1: number });
const curve = object({ precision: list(number), recall: list(number), f1: list(number) });
const answer = z.union([text, number, list(text)], 'a text, a number or a list of texts');

/** Rule for `errorAnalysis` in metrics.json. */
export const errorAnalysisRule: z.ZodType<ErrorAnalysis> = object({
  rows: positive,
  unit: oneOf(ERROR_UNITS).optional(),
  classes: list(
    precisionRecall.extend({
      label: text,
      support: count,
      truePositives: count,
      falsePositives: count,
      falseNegatives: count,
      threshold: number.optional(),
    }),
  ).optional(),
  averages: object({ micro: precisionRecall, macro: precisionRecall, weighted: precisionRecall }).optional(),
  confusion: object({ labels: list(text.nullable()), matrix: list(list(count)) }).optional(),
  thresholdCurves: object({
    thresholds: list(number),
    micro: curve,
    macro: curve,
    labels: list(curve.extend({ label: text })),
  }).optional(),
  wrong: count,
  worst: list(
    object({
      row: count,
      loss: number,
      label: answer,
      predicted: answer,
      text: text.optional(),
      second: text.optional(),
      words: list(text).optional(),
      firstWord: count.optional(),
      ranking: object({
        rank: positive,
        rows: positive,
        ndcg: number,
        first: object({ row: count, predicted: number, second: text.optional() }),
      }).optional(),
    }),
  ),
});
