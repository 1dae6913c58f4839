import type { DataSource, Dataset, Label } from './dataset';
import { TASKS } from './tasks';

type Layout = Pick<Dataset, 'task' | 'problem' | 'seconds' | 'labelNames'>;

/** Columns of the lines: one of labels, or one of 0 or 1 for each label. */
interface Columns {
  textColumns: readonly string[];
  labelColumn: string;
  labelColumns?: readonly string[];
}

/** Column names of a dataset's task, or default ones that are no label's. */
function columnsOf({ task, seconds, labelNames }: Layout): Columns {
  if (task) return TASKS[task];
  const free = (name: string): string => (labelNames?.includes(name) ? free(`${name}_`) : name);
  const textColumns = [free('text'), ...(seconds ? [free('second')] : [])];
  return { textColumns, labelColumn: 'label', ...(labelNames && { labelColumns: labelNames }) };
}

/** Texts of rows of datasets with their labels, if they have any. */
export interface LabelledTexts {
  texts: readonly string[];
  seconds?: readonly string[];
  /** Words of each row, which are written as a list instead of the text. */
  words?: Dataset['words'];
  labels?: readonly Label[];
}

/** Rows as JSON Lines, with these columns. The same rows give the same bytes. */
export function jsonLinesOf(
  { texts, seconds, words, labels }: LabelledTexts,
  { textColumns, labelColumn, labelColumns }: Columns,
): string {
  const cells = (label: Label) => Object.fromEntries(labelColumns!.map((name) => [name, label.includes(name) ? 1 : 0]));
  const line = (row: number) =>
    JSON.stringify({
      [textColumns[0]]: words?.[row] ?? texts[row],
      ...(seconds && { [textColumns[1]]: seconds[row] }),
      ...(labels && (labelColumns ? cells(labels[row]) : { [labelColumn]: labels[row] })),
    });
  return texts.map((_, row) => `${line(row)}\n`).join('');
}

/** Labelled rows of one layout as JSON lines, one dataset after the other. */
export const jsonLines = (sets: readonly Dataset[]): string =>
  sets.map((set) => jsonLinesOf(set, columnsOf(sets[0]))).join('');

/** Source for a file of {@link jsonLines}, with the columns of its task or default ones. */
export function jsonLinesSource(file: string, layout: Layout): DataSource {
  const { task, problem } = layout;
  if (task) return { path: file, task };
  const { textColumns, labelColumn, labelColumns } = columnsOf(layout);
  const labels = labelColumns ? { labelColumns: [...labelColumns] } : { labelColumn };
  return { path: file, textColumns: [...textColumns], ...labels, problem };
}
