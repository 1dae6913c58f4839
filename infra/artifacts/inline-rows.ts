import * as fs from 'node:fs/promises';
import type { DataSource } from '../../data/dataset';
import type { InlineRows } from '../../data/given-rows';
import { jsonLinesOf } from '../../data/json-lines';
import { type NamedProblem, namedProblem } from '../../data/problem';
import { TASKS, type TaskName } from '../../data/tasks';
import { writing } from '../../foundation/disk';
import { invalidPart } from '../../foundation/errors';

/** Column names of inline rows without a task. */
const COLUMNS = { texts: ['text', 'second_text'], label: 'label' };
/** Name of inline rows in messages and reports. */
const NAME = 'inline';

/** Target file of inline rows, and the requirements on them. */
export interface InlineNeed extends NamedProblem {
  /** Text between the labels of a row that has several. */
  labelSeparator?: string;
  /** File to write. */
  file: string;
  /** Field of the rows in the request, for errors. */
  field: string;
  labels: boolean;
  task?: TaskName;
}

/**
 * Writes rows of a request as JSON Lines: equal rows give equal bytes.
 *
 * @throws HifiError INVALID_INPUT if required labels are missing, or if the task needs pairs and
 *   the rows have none, or the reverse
 */
export async function writeInlineRows(rows: InlineRows, need: InlineNeed): Promise<DataSource> {
  const { texts, secondTexts, labels } = rows;
  const { file, field, task } = need;
  if (need.labels && labels === undefined) {
    throw invalidPart(`${field}.labels`, `${field}.labels is empty; labels are needed here, ${texts.length} of them`);
  }
  const paired = task === undefined ? secondTexts !== undefined : TASKS[task].textColumns.length === 2;
  if (paired !== (secondTexts !== undefined)) {
    const wanted = paired
      ? `has pairs, so there must be ${texts.length}`
      : 'has one text per row, so there must be none';
    throw invalidPart(
      `${field}.second_texts`,
      `${field}.second_texts has ${secondTexts?.length ?? 0} entries; the task ${task} ${wanted}`,
    );
  }
  const textColumns = task === undefined ? columnsOf(rows) : TASKS[task].textColumns;
  const labelColumn = task === undefined ? COLUMNS.label : TASKS[task].labelColumn;
  const text = jsonLinesOf({ texts, seconds: secondTexts, labels }, { textColumns, labelColumn });
  await writing(file, () => fs.writeFile(file, text, { mode: 0o600 }));
  return { path: NAME, file, ...inlineLayout(rows, need) };
}

/** Returns the layout by which the written rows are read. */
export function inlineLayout(
  rows: InlineRows,
  { task, labelSeparator, ...given }: Pick<InlineNeed, 'task' | 'labelSeparator' | keyof NamedProblem>,
): Omit<DataSource, 'path'> {
  const problem = namedProblem(given);
  const columns =
    task === undefined
      ? { textColumns: columnsOf(rows), ...(rows.labels && { labelColumn: COLUMNS.label }) }
      : { task };
  return {
    format: 'jsonl',
    ...columns,
    ...(labelSeparator !== undefined && { labelSeparator }),
    ...(problem !== undefined && { problem }),
  };
}

const columnsOf = ({ secondTexts }: InlineRows) => COLUMNS.texts.slice(0, secondTexts ? 2 : 1);
