import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ClassAverages, ClassScores, PrecisionRecall } from '../delta/class-scores';
import type { Confusion } from '../delta/confusion';
import { ERROR_UNITS, type ErrorAnalysis, type RowAnswer, type WorstRow } from '../delta/error-analysis';
import type { Curve, ThresholdCurves } from '../delta/threshold-curves';
import { invalidValue, shown } from '../foundation/errors';
import {
  type ClassAverages as AveragesMessage,
  type ClassScores as ClassMessage,
  type ConfusionMatrix,
  type ErrorAnalysis as ErrorAnalysisMessage,
  ErrorAnalysisSchema,
  type PrecisionRecall as PrecisionRecallMessage,
  type RowAnswer as RowAnswerMessage,
  type RowAnswerSchema,
  type ThresholdCurve,
  type ThresholdCurves as ThresholdCurvesMessage,
  type WorstRow as WorstRowMessage,
  type WorstRowSchema,
} from './gen/hifi/v1/errors_pb';
import { matrixOf, present } from './matrix';

/** Converts an error analysis to its message. */
export const errorAnalysisMessage = ({
  classes = [],
  confusion,
  thresholdCurves,
  worst,
  ...analysis
}: ErrorAnalysis): ErrorAnalysisMessage =>
  create(ErrorAnalysisSchema, {
    ...analysis,
    classes: classes.map(({ precision, recall, f1, ...counts }) => ({ ...counts, scores: { precision, recall, f1 } })),
    ...(confusion && { confusion: confusionMessage(confusion) }),
    ...(thresholdCurves && {
      thresholdCurves: {
        ...thresholdCurves,
        labels: thresholdCurves.labels.map(({ label, ...curve }) => ({ label, curve })),
      },
    }),
    worst: worst.map(worstRowMessage),
  });

const confusionMessage = ({ labels, matrix }: Confusion) => ({
  labels: labels.filter((label) => label !== null),
  hasNone: labels.includes(null),
  counts: matrix.flat(),
});

const worstRowMessage = ({ label, predicted, ...row }: WorstRow): MessageInitShape<typeof WorstRowSchema> => ({
  ...row,
  label: answerMessage(label),
  predicted: answerMessage(predicted),
});

function answerMessage(answer: RowAnswer): MessageInitShape<typeof RowAnswerSchema> {
  if (typeof answer === 'string') return { answer: { case: 'label', value: answer } };
  if (typeof answer === 'number') return { answer: { case: 'value', value: answer } };
  return { answer: { case: 'labels', value: { labels: answer } } };
}

/**
 * Reads an error analysis.
 *
 * @param field name of the field in an error
 * @throws HifiError INVALID_INPUT for a missing part, an unknown unit or a matrix of another size
 */
export function errorAnalysisOf(message: ErrorAnalysisMessage, field: string): ErrorAnalysis {
  const { rows, unit, classes, averages, confusion, thresholdCurves, wrong, worst } = message;
  return {
    rows,
    ...(unit !== undefined && { unit: unitOf(unit, `${field}.unit`) }),
    ...(classes.length > 0 && { classes: classes.map((each, i) => classOf(each, `${field}.classes[${i}]`)) }),
    ...(averages && { averages: averagesOf(averages, `${field}.averages`) }),
    ...(confusion && { confusion: confusionOf(confusion, `${field}.confusion`) }),
    ...(thresholdCurves && { thresholdCurves: curvesOf(thresholdCurves, `${field}.threshold_curves`) }),
    wrong: present(wrong, `${field}.wrong`),
    worst: worst.map((row, i) => worstRowOf(row, `${field}.worst[${i}]`)),
  };
}

function unitOf(unit: string, field: string) {
  const found = ERROR_UNITS.find((each) => each === unit);
  if (found !== undefined) return found;
  throw invalidValue({ field, value: shown(unit), expected: `one of ${ERROR_UNITS.join(', ')}` });
}

function scoresOf(message: PrecisionRecallMessage | undefined, field: string): PrecisionRecall {
  const { precision, recall, f1 } = present(message, field);
  return {
    precision: present(precision, `${field}.precision`),
    recall: present(recall, `${field}.recall`),
    f1: present(f1, `${field}.f1`),
  };
}

const classOf = (message: ClassMessage, field: string): ClassScores => ({
  label: message.label,
  ...scoresOf(message.scores, `${field}.scores`),
  support: present(message.support, `${field}.support`),
  truePositives: present(message.truePositives, `${field}.true_positives`),
  falsePositives: present(message.falsePositives, `${field}.false_positives`),
  falseNegatives: present(message.falseNegatives, `${field}.false_negatives`),
  ...(message.threshold !== undefined && { threshold: message.threshold }),
});

const averagesOf = ({ micro, macro, weighted }: AveragesMessage, field: string): ClassAverages => ({
  micro: scoresOf(micro, `${field}.micro`),
  macro: scoresOf(macro, `${field}.macro`),
  weighted: scoresOf(weighted, `${field}.weighted`),
});

function confusionOf({ labels: named, hasNone, counts }: ConfusionMatrix, field: string): Confusion {
  const labels = hasNone ? [...named, null] : [...named];
  return { labels, matrix: matrixOf(counts, labels.length, labels.length, `${field}.counts`) };
}

function curvesOf({ thresholds, micro, macro, labels }: ThresholdCurvesMessage, field: string): ThresholdCurves {
  return {
    thresholds: [...thresholds],
    micro: curveOf(micro, `${field}.micro`),
    macro: curveOf(macro, `${field}.macro`),
    labels: labels.map(({ label, curve }, i) => ({ label, ...curveOf(curve, `${field}.labels[${i}].curve`) })),
  };
}

function curveOf(message: ThresholdCurve | undefined, field: string): Curve {
  const { precision, recall, f1 } = present(message, field);
  return { precision: [...precision], recall: [...recall], f1: [...f1] };
}

function worstRowOf({ row, loss, label, predicted, ranking, ...message }: WorstRowMessage, field: string): WorstRow {
  const { text, second, words, firstWord } = message;
  return {
    row: present(row, `${field}.row`),
    loss: present(loss, `${field}.loss`),
    label: answerOf(label, `${field}.label`),
    predicted: answerOf(predicted, `${field}.predicted`),
    ...(text !== undefined && { text }),
    ...(second !== undefined && { second }),
    ...(words.length > 0 && { words: [...words] }),
    ...(firstWord !== undefined && { firstWord }),
    ...(ranking && { ranking: rankingOf(ranking, `${field}.ranking`) }),
  };
}

function answerOf(message: RowAnswerMessage | undefined, field: string): RowAnswer {
  const { answer } = present(message, field);
  return answer.case === 'labels' ? [...answer.value.labels] : present(answer.value, field);
}

function rankingOf({ rank, rows, ndcg, first }: NonNullable<WorstRowMessage['ranking']>, field: string) {
  const { row, predicted, second } = present(first, `${field}.first`);
  return {
    rank,
    rows,
    ndcg: present(ndcg, `${field}.ndcg`),
    first: {
      row: present(row, `${field}.first.row`),
      predicted: present(predicted, `${field}.first.predicted`),
      ...(second !== undefined && { second }),
    },
  };
}
