import { invalidInput } from '../errors';
import type { DelimitedFormat, DelimitedRecord } from './delimited';
import { formatOf, isBlank, readDelimited } from './delimited';
import { didYouMean } from './nearest';
import type { TaskName } from './tasks';
import { TASKS, taskNamed } from './tasks';

/** A file of rows, and where in it the texts and labels are: a GLUE task's own layout, or named columns. */
export interface DataSource {
  path: string;
  task?: TaskName;
  /** One or two header names; with a task none. */
  textColumns?: string[];
  labelColumn?: string;
  /** The label is a number to be predicted, not a class. A task knows by itself. */
  regression?: boolean;
  /** Default: by the file's extension (`.csv`; `.tsv`, `.tab`, `.txt`). */
  format?: DelimitedFormat;
}

/** The rows of a file. Index `i` of `texts`, `seconds` and `labels` is one row. */
export interface Dataset {
  path: string;
  /** SHA-256 of the whole file's bytes. */
  sha256: string;
  texts: string[];
  /** The second texts of pairs. */
  seconds?: string[];
  /** The labels as the file writes them, trimmed; there when they were asked for. */
  labels?: string[];
  /** How many rows there are, at least 1. */
  rows: number;
  /** Row numbers in the file (0 is the first after a header), where they are not simply 0 … rows − 1. */
  rowNumbers?: Int32Array;
  /** Rows of the file that were left out as the task prescribes (see `Task`). */
  skipped: number;
  task?: TaskName;
  regression: boolean;
}

/** The number in the file of the dataset's row `index`; 0 is the first row after a header. */
export const rowNumber = (dataset: Dataset, index: number) => dataset.rowNumbers?.[index] ?? index;

/** The given rows (indices into `dataset`) as a dataset of their own; they keep their numbers in the file. */
export function selectRows(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const pick = <T>(values: T[]) => Array.from(indices, (index) => values[index]);
  return {
    ...dataset,
    texts: pick(dataset.texts),
    ...(dataset.seconds && { seconds: pick(dataset.seconds) }),
    ...(dataset.labels && { labels: pick(dataset.labels) }),
    rows: indices.length,
    rowNumbers: Int32Array.from(indices, (index) => rowNumber(dataset, index)),
  };
}

interface Column {
  name: string;
  at: number;
}

interface Layout {
  texts: Column[];
  label?: Column;
  /** The fields that each record must have, by name. */
  names: string[];
  /** The record that holds row 0. */
  first: number;
  /** GLUE's files: more fields than the header, and empty texts, are taken as they come. */
  lenient: boolean;
}

/**
 * Reads a file's rows.
 * @param need `labels`: the label of each row too; `texts`: a label column is neither needed nor read
 * @throws HifiError INVALID_INPUT, one line with the file, row and column, when the file cannot be read, is empty, has no
 * rows, lacks a column (naming the nearest) or a row lacks a field
 */
export function readDataset(source: DataSource, need: 'labels' | 'texts'): Dataset {
  const task = source.task === undefined ? undefined : taskNamed(source.task);
  checkSource(source, need);
  const format = source.format ?? (task && !/\.csv$/i.test(source.path) ? 'tsv' : formatOf(source.path));
  const file = readDelimited(source.path, format);
  const { records } = file;
  const layout = task ? taskLayout(source.path, task, records[0], need) : ownLayout(source, records[0], need);
  if (records.length <= layout.first) throw invalidInput(`${source.path}: there is a header but no row`);

  const texts: string[] = [];
  const seconds: string[] = [];
  const labels: string[] = [];
  const numbers: number[] = [];
  let row = 0;
  for (const record of records.slice(layout.first)) {
    // In a file of one column a blank line is a row without its text.
    if (layout.names.length > 1 && isBlank(record)) continue;
    const number = row++;
    if (task && isLeftOut(task, record, layout)) continue;
    checkRecord(source.path, record, number, layout);
    texts.push(record.field(layout.texts[0].at));
    if (layout.texts.length > 1) seconds.push(record.field(layout.texts[1].at));
    if (layout.label) labels.push(record.field(layout.label.at).trim());
    numbers.push(number);
  }
  if (texts.length === 0) throw invalidInput(`${source.path}: none of the ${row} rows can be used`);
  return {
    path: source.path,
    sha256: file.sha256,
    texts,
    ...(layout.texts.length > 1 && { seconds }),
    ...(layout.label && { labels }),
    rows: texts.length,
    ...(texts.length < row && { rowNumbers: Int32Array.from(numbers) }),
    skipped: row - texts.length,
    ...(task && { task }),
    regression: task ? TASKS[task].classes === null : source.regression === true,
  };
}

function checkSource({ path, task, textColumns = [], labelColumn, regression }: DataSource, need: string): void {
  if (task !== undefined) {
    if (textColumns.length === 0 && labelColumn === undefined && regression !== true) return;
    throw invalidInput(`${path}: the task ${task} names its columns itself; give either a task or columns`);
  }
  if (textColumns.length === 0) throw invalidInput(`${path}: which texts? give a task or --text-columns a[,b]`);
  if (textColumns.length > 2) {
    throw invalidInput(`${path}: one or two text columns, not ${textColumns.length} (${textColumns.join(', ')})`);
  }
  if (need === 'labels' && labelColumn === undefined) {
    throw invalidInput(`${path}: labels are needed here; give a task or --label-column`);
  }
  const wanted = labelColumn === undefined ? textColumns : [...textColumns, labelColumn];
  const twice = wanted.find((name, at) => wanted.indexOf(name) < at);
  if (twice !== undefined) throw invalidInput(`${path}: the column "${twice}" is named twice`);
}

function taskLayout(path: string, task: TaskName, first: DelimitedRecord, need: string): Layout {
  const { textColumns, labelColumn, headerless } = TASKS[task];
  const header = headerOf(first);
  if (!headerless || header.includes(textColumns[0])) {
    const texts = textColumns.map((name) => columnNamed(path, header, name));
    const label = need === 'labels' ? columnNamed(path, header, labelColumn) : undefined;
    return { texts, label, names: header, first: 1, lenient: true };
  }
  const names = Array.from({ length: headerless.width }, (_, at) => `column ${at}`);
  for (const [i, at] of headerless.texts.entries()) names[at] = textColumns[i];
  names[headerless.label] = labelColumn;
  return {
    texts: headerless.texts.map((at) => ({ name: names[at], at })),
    label: need === 'labels' ? { name: labelColumn, at: headerless.label } : undefined,
    names,
    first: 0,
    lenient: true,
  };
}

function ownLayout({ path, textColumns, labelColumn }: DataSource, first: DelimitedRecord, need: string): Layout {
  const header = headerOf(first);
  const texts = textColumns!.map((name) => columnNamed(path, header, name));
  const label = need === 'labels' ? columnNamed(path, header, labelColumn!) : undefined;
  return { texts, label, names: header, first: 1, lenient: false };
}

const headerOf = (record: DelimitedRecord) => Array.from({ length: record.width }, (_, at) => record.field(at).trim());

function columnNamed(path: string, header: readonly string[], name: string): Column {
  const at = header.indexOf(name);
  if (at < 0) {
    const shown = header.slice(0, 12).map((column) => JSON.stringify(column.slice(0, 40)));
    const columns = shown.join(', ') + (header.length > 12 ? ', …' : '');
    throw invalidInput(`${path}: no column "${name}" in the header (${columns})${didYouMean(name, header)}`);
  }
  if (header.indexOf(name, at + 1) >= 0) throw invalidInput(`${path}: the header names the column "${name}" twice`);
  return { name, at };
}

/** Whether the task's own rules leave the row out (QQP's rows in pieces, MNLI's rows without a gold label). */
function isLeftOut(name: TaskName, record: DelimitedRecord, { texts, label }: Layout): boolean {
  const task = TASKS[name];
  if (task.skipBrokenRows) {
    if (texts.some(({ at }) => at >= record.width)) return true;
    if (label && (label.at >= record.width || record.field(label.at).trim() === '')) return true;
  }
  return !!label && task.noLabel !== undefined && label.at < record.width && record.field(label.at) === task.noLabel;
}

function checkRecord(path: string, record: DelimitedRecord, row: number, layout: Layout): void {
  const { texts, label, names, lenient } = layout;
  const refuse = (what: string) => invalidInput(`${path}: row ${row} (line ${record.line}) ${what}`);
  const needed = label ? [...texts, label] : texts;
  const missing = lenient
    ? needed.find(({ at }) => at >= record.width)?.name
    : record.width < names.length
      ? names[record.width]
      : undefined;
  if (missing !== undefined) {
    const found = `${record.width} field${record.width === 1 ? '' : 's'} of ${names.length}`;
    throw refuse(`has no column "${missing}": ${found}, ${excerpt(record)}`);
  }
  if (!lenient && record.width > names.length) {
    throw refuse(`has ${record.width} fields, the header has ${names.length}: ${excerpt(record)}`);
  }
  const empty = (lenient ? needed.slice(texts.length) : needed).find(({ at }) => record.field(at).trim() === '');
  if (empty) throw refuse(`has nothing in the column "${empty.name}": ${excerpt(record)}`);
}

function excerpt(record: DelimitedRecord): string {
  const text = Array.from({ length: record.width }, (_, at) => record.field(at)).join(' | ');
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
