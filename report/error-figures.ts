import type { ErrorAnalysis } from '../delta/error-analysis';
import type { Curve } from '../delta/threshold-curves';
import { confusionMap } from './draw/confusion-map';
import { gridMap } from './draw/grid-map';
import { lineChart } from './draw/line-chart';
import type { Figure } from './html';
import { grouped } from './sentences';

/** Most classes of a drawn confusion matrix; of more the most confused pairs are listed. */
const MOST_DRAWN = 16;
/** Most labels of the map of thresholds: those with the most rows. */
const MOST_MAPPED = 40;

/** Name of no label: of a prediction in excess, or of a miss. */
const NONE = 'none';

/** Charts of an error analysis. */
export const errorFigures = (errors: ErrorAnalysis): Figure[] => [
  ...confusionFigure(errors),
  ...thresholdFigures(errors),
];

function confusionFigure({ confusion, unit, thresholdCurves }: ErrorAnalysis): Figure[] {
  if (!confusion || confusion.labels.length > MOST_DRAWN) return [];
  const { labels, matrix } = confusion;
  const names = labels.map((label) => label ?? NONE);
  const counted = matrix.map((row, i) =>
    row.map((count, j) => (labels[i] === null && labels[j] === null ? null : count)),
  );
  const svg = confusionMap({
    title: 'Confusion matrix',
    names,
    matrix: counted,
    tip: (row, column) => `${names[row]} predicted as ${names[column]}: ${grouped(matrix[row][column])} ${unit}`,
  });
  const note = labels.includes(null) ? ` Column ${NONE}: missed. Row ${NONE}: predicted in excess.` : '';
  // With several labels, a row may be in several pairs of a label.
  const counts = thresholdCurves ? 'the pairs of each label and a predicted one' : `the ${unit} of each label`;
  return [{ name: 'confusion', caption: `What was predicted for ${counts}, in %.${note}`, svg }];
}

function thresholdFigures({ thresholdCurves: curves, classes = [] }: ErrorAnalysis): Figure[] {
  if (!curves) return [];
  const { thresholds, micro, macro } = curves;
  const line = (name: string, values: readonly number[]) => ({
    name,
    values,
    tip: (value: number, step: number) => `${name} from ${thresholds[step - 1]} on: ${value.toFixed(4)}`,
  });
  const all = lineChart({
    title: 'Quality by the threshold of all labels',
    x: 'threshold of all labels',
    steps: thresholds.map(String),
    lines: [
      line('F1 micro', micro.f1),
      line('precision micro', micro.precision),
      line('recall micro', micro.recall),
      line('F1 macro', macro.f1),
    ],
  });
  const most = curves.labels
    .map((curve, i) => ({ ...curve, support: classes[i]?.support ?? 0, threshold: classes[i]?.threshold }))
    .sort((a, b) => b.support - a.support)
    .slice(0, MOST_MAPPED);
  const omitted = curves.labels.length - most.length;
  return [
    { name: 'thresholds', caption: 'Precision, recall and F1 if all labels have the same threshold.', svg: all },
    {
      name: 'label-thresholds',
      caption:
        'F1 of each label by its threshold. A frame marks the last threshold that does not exceed the chosen one.' +
        (omitted > 0 ? ` The ${omitted} labels with the fewest rows are in thresholds.csv.` : ''),
      svg: labelMap(thresholds, most),
    },
  ];
}

function labelMap(
  thresholds: readonly number[],
  labels: readonly (Curve & { label: string; threshold?: number })[],
): string {
  const chosen = labels.map(({ threshold = 0 }) => thresholds.findLastIndex((each) => each <= threshold));
  const short = labels.map(({ label }) => (label.length > 22 ? `${Array.from(label).slice(0, 21).join('')}…` : label));
  return gridMap({
    title: 'F1 of each label by its threshold',
    rows: { name: 'label ↓', labels: short },
    columns: { name: 'threshold →', labels: thresholds.map(String), every: 2 },
    values: labels.map(({ f1 }) => f1),
    text: (f1) => f1.toFixed(2),
    tip: (row, column) => {
      const { label, precision, recall, f1 } = labels[row];
      const [p, r, f] = [precision, recall, f1].map((values) => values[column].toFixed(3));
      return `${label} from ${thresholds[column]} on: precision ${p}, recall ${r}, F1 ${f}`;
    },
    attributes: (row, column) => `data-at="${row}.${column}"`,
    chosen: (row, column) => column === chosen[row],
    key: 'chosen',
    scale: [0, 1],
    cell: { width: 24, height: 20 },
    left: Math.max(54, Math.min(150, Math.max(...short.map((name) => 6.2 * name.length + 14)))),
    labelled: false,
  });
}
