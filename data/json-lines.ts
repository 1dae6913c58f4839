import type { DataSource, Dataset } from './dataset';
import { TASKS } from './tasks';

type Layout = Pick<Dataset, 'task' | 'problem' | 'seconds'>;

/** Column names of a dataset's task, or default ones. */
function columnsOf({ task, seconds }: Layout): { textColumns: readonly string[]; labelColumn: string } {
  return task ? TASKS[task] : { textColumns: ['text', ...(seconds ? ['second'] : [])], labelColumn: 'label' };
}

/** Texts of rows of datasets with their labels, if they have any. */
export interface LabelledTexts {
  texts: readonly string[];
  seconds?: readonly string[];
  labels?: readonly string[];
}

/** Rows as JSON Lines, with these columns. The same rows give the same bytes. */
export function jsonLinesOf(
  { texts, seconds, labels }: LabelledTexts,
  { textColumns, labelColumn }: { textColumns: readonly string[]; labelColumn: string },
): string {
  const line = (row: number) =>
    JSON.stringify({
      [textColumns[0]]: texts[row],
      ...(seconds && { [textColumns[1]]: seconds[row] }),
      ...(labels && { [labelColumn]: labels[row] }),
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
  const { textColumns, labelColumn } = columnsOf(layout);
  return { path: file, textColumns: [...textColumns], labelColumn, problem };
}
