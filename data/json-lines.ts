import type { DataSource, Dataset } from './dataset';
import { TASKS } from './tasks';

type Layout = Pick<Dataset, 'task' | 'regression' | 'seconds'>;

/** Column names of a dataset's task, or default ones. */
function columnsOf({ task, seconds }: Layout): { textColumns: readonly string[]; labelColumn: string } {
  return task ? TASKS[task] : { textColumns: ['text', ...(seconds ? ['second'] : [])], labelColumn: 'label' };
}

/** Labelled rows of datasets of one layout as JSON lines, one dataset after the other. */
export function jsonLines(sets: readonly Dataset[]): string {
  const { textColumns, labelColumn } = columnsOf(sets[0]);
  const line = (set: Dataset, row: number) =>
    JSON.stringify({
      [textColumns[0]]: set.texts[row],
      ...(set.seconds && { [textColumns[1]]: set.seconds[row] }),
      [labelColumn]: set.labels![row],
    });
  return sets.map((set) => Array.from({ length: set.rows }, (_, row) => `${line(set, row)}\n`).join('')).join('');
}

/** Source for a file of {@link jsonLines}, with the columns of its task or default ones. */
export function jsonLinesSource(file: string, layout: Layout): DataSource {
  const { task, regression } = layout;
  if (task) return { path: file, task };
  const { textColumns, labelColumn } = columnsOf(layout);
  return { path: file, textColumns: [...textColumns], labelColumn, regression };
}
