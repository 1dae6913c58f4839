import { invalidInput, invalidPart } from '../foundation/errors';
import type { Column, Layout } from './columns';
import { CONLL_COLUMNS } from './conll';
import type { DataSource, Need } from './dataset';
import { LIKELY_DELIMITERS } from './delimited';
import type { DataFormat } from './format';
import { LABELS } from './labels';
import { didYouMean } from './nearest';
import { TEXT_COLUMN } from './plain-text';
import { namedProblem, problemOf } from './problem';
import { fieldsOf, type TableRecord } from './records';
import { TASKS, type Task, type TaskColumns, type TaskName, taskNamed } from './tasks';

/** Table format, as far as the checks of rows depend on it. */
export interface TableFormat {
  format: DataFormat;
  /**
   * True if every record has the columns' names. Then no record is blank, and the first one is
   * always a header.
   */
  named: boolean;
  /** For messages: what holds the columns' names (`in`), and a statement that it exists (`is`). */
  names: { in: string; is: string };
  /** Delimiter of the fields, if the format has one. */
  delimiter?: string;
}

/**
 * Returns the table format of a source.
 * @throws HifiError INVALID_INPUT if a delimiter is given for a format that has none
 */
export function tableFormat({ path, delimiter }: DataSource, format: DataFormat): TableFormat {
  const named = format !== 'tsv' && format !== 'csv';
  const holder = format === 'jsonl' ? 'the first object' : named ? 'the schema' : 'the header';
  const names = { in: holder, is: named ? 'are columns' : 'is a header' };
  if (!named) return { format, named, names, delimiter: delimiter ?? (format === 'csv' ? ',' : '\t') };
  if (delimiter === undefined) return { format, named, names };
  throw invalidInput(`${path}: --delimiter ${JSON.stringify(delimiter)} is for CSV and TSV; this is ${format}`);
}

/**
 * Checks the options of a source.
 * @throws HifiError INVALID_INPUT if one is missing, superfluous or contradicts another
 */
export function checkSource(source: DataSource, format: DataFormat, need: Need): void {
  const { path, task, textColumns = [], labelColumn, labelColumns, labelSeparator } = source;
  const problem = namedProblem(source);
  if (format === 'conll') {
    if (need === 'labels' && problem !== 'tokens') {
      throw invalidInput(`${path}: is a CoNLL file, which has a tag per word; give --problem tokens`);
    }
    if (task === undefined && textColumns.length === 0 && labelColumn === undefined) return;
  }
  if (format === 'txt') {
    if (need === 'labels') {
      throw invalidInput(
        `${path}: a plain text has no labels; give a TSV, CSV, JSONL or Parquet file (or --format tsv)`,
      );
    }
    if (task === undefined && textColumns.length === 0) return;
    throw invalidInput(`${path}: a plain text has no columns and no task; --format tsv reads it as a table`);
  }
  if (task !== undefined) {
    if (textColumns.length === 0 && labelColumn === undefined && !labelColumns && problem === undefined) return;
    throw invalidInput(`${path}: the task ${task} sets its own columns and problem: leave out the task, or those`);
  }
  if (textColumns.length === 0)
    throw invalidInput(`${path}: no text column given; give a task or --text-columns a[,b]`);
  if (textColumns.length > 2) {
    throw invalidInput(
      `${path}: ${textColumns.length} text columns given (${textColumns.join(', ')}); give one or two`,
    );
  }
  checkLabelColumns(source);
  if (need === 'labels' && labelColumn === undefined && labelColumns === undefined) {
    throw invalidInput(`${path}: labels are needed here; give a task or --label-column`);
  }
  if (LABELS[problemOf(source)].pairs && textColumns.length < 2) {
    throw invalidPart('textColumns', `${path}: the problem ${problem} needs pairs; give two text columns`);
  }
  if (LABELS[problemOf(source)].words && textColumns.length > 1) {
    const names = textColumns.join(', ');
    throw invalidInput(`${path}: ${textColumns.length} text columns given (${names}); the problem tokens has one`);
  }
  if (labelSeparator === '') throw invalidInput(`${path}: the label separator is empty; it must be a text, such as |`);
  const wanted = [...textColumns, ...(labelColumn === undefined ? [] : [labelColumn]), ...(labelColumns ?? [])];
  const twice = wanted.find((name, at) => wanted.indexOf(name) < at);
  if (twice !== undefined) throw invalidInput(`${path}: the column "${twice}" is named twice`);
}

/**
 * Checks how the labels are given.
 * @throws HifiError INVALID_INPUT if the problem has no such labels
 */
function checkLabelColumns(source: DataSource): void {
  const { path, labelColumn, labelColumns, labelSeparator } = source;
  const problem = problemOf(source);
  const given = [
    ...(labelColumns ? ['--label-columns'] : []),
    ...(labelSeparator === undefined ? [] : ['--label-separator']),
  ];
  if (given.length === 0) return;
  if (!LABELS[problem].several) {
    const need = given.length > 1 ? 'need' : 'needs';
    throw invalidInput(`${path}: ${given.join(' and ')} ${need} --problem multi-label; the problem is ${problem}`);
  }
  if (!labelColumns) return;
  if (labelColumn !== undefined) {
    throw invalidInput(`${path}: --label-column and --label-columns are given; keep one of them`);
  }
  if (labelSeparator !== undefined) {
    throw invalidInput(`${path}: --label-separator is for --label-column; a label's own column has 0 or 1`);
  }
  if (labelColumns.length === 0) throw invalidInput(`${path}: --label-columns has no name; it must have at least one`);
}

/**
 * Finds the positions of a source's texts and labels, from the first record of its file.
 *
 * @throws HifiError INVALID_INPUT if a column is missing, with the nearest name, or occurs twice
 */
export function layoutOf(source: DataSource, first: TableRecord, table: TableFormat, need: Need): Layout {
  const { path, task } = source;
  if (task !== undefined) return taskLayout(path, taskNamed(task), first, table, need);
  const known = source.textColumns?.length ? undefined : KNOWN_COLUMNS[table.format];
  return ownLayout({ ...source, ...known }, first, table, need);
}

function taskLayout(path: string, name: TaskName, first: TableRecord, table: TableFormat, need: Need): Layout {
  const task = TASKS[name];
  const { headerless } = task;
  const header = namesOf(first);
  if (!headerless || table.named || header.includes(task.textColumns[0])) {
    const { textColumns, labelColumn } = taskColumns(task, header, table, need);
    const texts = textColumns.map((column) => columnNamed(path, header, column, table));
    const labels = need === 'labels' ? [columnNamed(path, header, labelColumn, table)] : [];
    return { texts, labels, task: name, names: header, header: true, lenient: true };
  }
  const names = Array.from({ length: headerless.width }, (_, at) => `column ${at}`);
  for (const [i, at] of headerless.texts.entries()) names[at] = task.textColumns[i];
  names[headerless.label] = task.labelColumn;
  return {
    texts: headerless.texts.map((at) => ({ name: names[at], at })),
    labels: need === 'labels' ? [{ name: task.labelColumn, at: headerless.label }] : [],
    task: name,
    names,
    header: false,
    lenient: true,
  };
}

/** Names of a task's columns in a file: those of the benchmark's files or of the Hub's dataset. */
function taskColumns(task: Task, header: readonly string[], { named }: TableFormat, need: Need): TaskColumns {
  const known = [task, ...(task.hub ? [task.hub] : [])];
  const whole = known.find(({ textColumns, labelColumn }) =>
    [...textColumns, ...(need === 'labels' ? [labelColumn] : [])].every((name) => header.includes(name)),
  );
  // If neither set is complete, the message names the columns that such a file should have.
  return whole ?? (named ? known.at(-1)! : task);
}

/** Columns of formats that name them themselves. */
const KNOWN_COLUMNS: Readonly<Partial<Record<DataFormat, Pick<DataSource, 'textColumns' | 'labelColumn'>>>> = {
  txt: { textColumns: [TEXT_COLUMN] },
  conll: { textColumns: [CONLL_COLUMNS.words], labelColumn: CONLL_COLUMNS.tags },
};

function ownLayout(source: DataSource, first: TableRecord, table: TableFormat, need: Need): Layout {
  const { path, textColumns, labelColumn, labelColumns, labelSeparator } = source;
  const header = namesOf(first);
  const texts = textColumns!.map((name) => columnNamed(path, header, name, table, 'textColumns'));
  const wanted = need === 'labels' ? (labelColumns ?? [labelColumn!]) : [];
  // A number is read as it is, and a task has its own names for its classes.
  const named = LABELS[problemOf(source)].named && labelColumns === undefined;
  const labels = wanted.map((name): Column => {
    const column = columnNamed(path, header, name, table, labelColumns ? 'labelColumns' : 'labelColumn');
    const classes = named ? first.classes?.(column.at) : undefined;
    return classes ? { ...column, classes } : column;
  });
  return {
    texts,
    labels,
    ...(labelColumns && need === 'labels' && { labelNames: labelColumns }),
    ...(labelSeparator !== undefined && { separator: labelSeparator }),
    names: header,
    header: true,
    lenient: false,
  };
}

export const namesOf = (record: TableRecord) => fieldsOf(record).map((name) => name.trim());

/** @param field part of the source that names the column; undefined for a column of a task */
function columnNamed(
  path: string,
  header: readonly string[],
  name: string,
  table: TableFormat,
  field?: keyof DataSource,
): Column {
  const { names } = table;
  const at = header.indexOf(name);
  if (at < 0) {
    const shown = header.slice(0, 12).map((column) => JSON.stringify(column.slice(0, 40)));
    const columns = shown.join(', ') + (header.length > 12 ? ', …' : '');
    const hint = otherDelimiter(header, name, table) ?? didYouMean(name, header);
    const message = `${path}: no column "${name}" in ${names.in} (${columns})${hint}`;
    throw field ? invalidPart(field, message) : invalidInput(message);
  }
  if (header.indexOf(name, at + 1) >= 0) throw invalidInput(`${path}: ${names.in} names the column "${name}" twice`);
  return { name, at };
}

/**
 * Suggests flags for a header that another character separates: one that gives the wanted name, or
 * splits a single name.
 */
function otherDelimiter(header: readonly string[], wanted: string, { format, delimiter }: TableFormat) {
  if (delimiter === undefined) return undefined;
  const line = header.join(delimiter);
  const parts = (by: string) => line.split(by).map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  const others = LIKELY_DELIMITERS.filter((by) => by !== delimiter && line.includes(by));
  const likely =
    others.find((by) => parts(by).includes(wanted)) ??
    (header.length === 1 && others.length === 1 ? others[0] : undefined);
  if (likely === undefined) return undefined;
  const flags = [
    ...(likely === '\t' && format === 'csv' ? ['--format tsv'] : format === 'tsv' ? ['--format csv'] : []),
    ...(likely === ',' || likely === '\t' ? [] : [`--delimiter "${likely}"`]),
  ];
  return `; it looks separated by ${JSON.stringify(likely)}: give ${flags.join(' ') || `--delimiter "${likely}"`}`;
}
