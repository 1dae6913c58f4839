import type { Confusion } from '../delta/confusion';
import type { ErrorAnalysis, RowAnswer } from '../delta/error-analysis';
import type { Curve, ThresholdCurves } from '../delta/threshold-curves';

/** Possible files of an error analysis in `report/`. */
export const ERROR_FILES = ['classes.csv', 'confusion.csv', 'thresholds.csv', 'worst.csv'] as const;

type CsvCell = string | number | undefined;

/** CSV as in RFC 4180: a cell with a comma, quote or line break is quoted. */
export function csvText(rows: readonly (readonly CsvCell[])[]): string {
  const cell = (value: CsvCell) => {
    const text = String(value ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
}

type Rows = readonly (readonly CsvCell[])[];

/** Tables of an error analysis, by the names of their CSV files. */
export function errorFiles(errors: ErrorAnalysis): [name: string, text: string][] {
  const { classes, confusion, thresholdCurves } = errors;
  const tables: Record<(typeof ERROR_FILES)[number], Rows | undefined> = {
    'classes.csv': classes && classRows(errors),
    'confusion.csv': confusion && confusionRows(confusion),
    'thresholds.csv': thresholdCurves && thresholdRows(thresholdCurves),
    'worst.csv': worstRows(errors),
  };
  return Object.entries(tables).flatMap(([name, rows]) => (rows ? [[name, csvText(rows)] as [string, string]] : []));
}

/** A line per class. */
const classRows = ({ classes = [] }: ErrorAnalysis): Rows => [
  [
    ...['label', 'precision', 'recall', 'f1', 'support'],
    ...['true_positives', 'false_positives', 'false_negatives', 'threshold'],
  ],
  ...classes.map((each) => [
    ...[each.label, each.precision, each.recall, each.f1, each.support],
    ...[each.truePositives, each.falsePositives, each.falseNegatives, each.threshold],
  ]),
];

/** A line per cell above 0; an empty name is no label. */
const confusionRows = ({ labels, matrix }: Confusion): Rows => [
  ['label', 'predicted', 'count'],
  ...matrix.flatMap((row, i) =>
    row.flatMap((count, j) => (count === 0 ? [] : [[labels[i] ?? '', labels[j] ?? '', count]])),
  ),
];

/** A line per curve and threshold; `average` names the curves of all labels. */
function thresholdRows({ thresholds, micro, macro, labels }: ThresholdCurves): Rows {
  const lines = (average: string, label: string, { precision, recall, f1 }: Curve) =>
    thresholds.map((threshold, i) => [average, label, threshold, precision[i], recall[i], f1[i]]);
  return [
    ['average', 'label', 'threshold', 'precision', 'recall', 'f1'],
    ...lines('micro', '', micro),
    ...lines('macro', '', macro),
    ...labels.flatMap(({ label, ...curve }) => lines('', label, curve)),
  ];
}

/** A line per row; lists are in JSON. */
const worstRows = ({ worst }: ErrorAnalysis): Rows => [
  [
    ...['row', 'loss', 'label', 'predicted', 'text', 'second_text', 'words', 'first_word'],
    ...['ndcg', 'rank', 'of', 'first_row', 'first_predicted', 'first_second_text'],
  ],
  ...worst.map(({ row, loss, label, predicted, text, second, words, firstWord, ranking }) => [
    ...[row, loss, answerText(label), answerText(predicted), text, second],
    ...[words && JSON.stringify(words), firstWord],
    ...[ranking?.ndcg, ranking?.rank, ranking?.rows],
    ...[ranking?.first.row, ranking?.first.predicted, ranking?.first.second],
  ]),
];

const answerText = (answer: RowAnswer) => (Array.isArray(answer) ? JSON.stringify(answer) : answer);
