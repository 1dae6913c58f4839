import type { PrecisionRecall } from '../delta/class-scores';
import type { ErrorAnalysis } from '../delta/error-analysis';
import { percentDigits } from '../foundation/percent';
import { type Cell, htmlTable } from './html';
import { grouped } from './sentences';

/** Number of listed pairs. */
const MOST_PAIRS = 20;

/** Table of precision, recall and F1 of each class, with the means. */
export function classesTable({ classes = [], averages, unit }: ErrorAnalysis): string {
  const several = classes.some(({ threshold }) => threshold !== undefined);
  const scores = ({ precision, recall, f1 }: PrecisionRecall) => [precision, recall, f1].map((each) => each.toFixed(3));
  const rows = classes.map((each): Cell[] => [
    each.label,
    ...scores(each),
    grouped(each.support),
    grouped(each.falseNegatives),
    grouped(each.falsePositives),
    ...(several ? [each.threshold?.toFixed(3) ?? '–'] : []),
  ]);
  const blank = several ? 4 : 3;
  const means = Object.entries(averages ?? {}).map(([name, each]): Cell[] => [
    `${name} average`,
    ...scores(each),
    ...new Array<string>(blank).fill('–'),
  ]);
  const head = ['label', 'precision', 'recall', 'F1', unit ?? '', 'missed', 'in excess'];
  return htmlTable([...rows, ...means], [...head, ...(several ? ['threshold'] : [])]);
}

/** Pair of a label and what was predicted in its place. */
interface Pair {
  label: string;
  predicted: string;
  count: number;
  /** Share of the label's cases. With several labels, one row may be in several pairs. */
  share: number;
}

/** Labels that were predicted in place of others, the most frequent pair first. */
export function confusedPairs({ confusion, classes = [] }: ErrorAnalysis): Pair[] {
  if (!confusion) return [];
  const { labels, matrix } = confusion;
  const pairs = matrix.flatMap((row, i) =>
    row.flatMap((count, j): Pair[] => {
      const [label, predicted] = [labels[i], labels[j]];
      // The table of the labels has what was missed or in excess.
      if (i === j || count === 0 || label === null || predicted === null) return [];
      return [{ label, predicted, count, share: count / classes[i].support }];
    }),
  );
  return pairs.sort((a, b) => b.count - a.count);
}

/** Table of the most frequent confusions. */
export function pairsTable(errors: ErrorAnalysis): string {
  const rows = confusedPairs(errors)
    .slice(0, MOST_PAIRS)
    .map(({ label, predicted, count, share }): Cell[] => [
      label,
      predicted,
      grouped(count),
      `${percentDigits(share)} %`,
    ]);
  return htmlTable(rows, ['label', 'predicted', errors.unit!, `of the label's ${errors.unit}`]);
}
