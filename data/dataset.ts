import { createHash, type Hash } from 'node:crypto';
import * as path from 'node:path';
import { invalidInput } from '../errors';
import type { NamedFile } from './bytes';
import { csvRecords, tsvRecords } from './delimited';
import { type DataFormat, formatOf } from './format';
import { jsonRecords } from './jsonl';
import { didYouMean } from './nearest';
import { parquetRecords } from './parquet';
import { TEXT_COLUMN, textRecords } from './plain-text';
import type { Pass, Records, TableRecord } from './records';
import { classText, mismatchedSibling, TASKS, type Task, type TaskColumns, type TaskName, taskNamed } from './tasks';

/** A file of rows, and where in it the texts and labels are: a GLUE task's own layout, or named columns. */
export interface DataSource extends NamedFile {
  /** A GLUE task, whose columns and labels are known. Default: columns are named. */
  task?: TaskName;
  /** One or two header names; with a task or a plain text none. */
  textColumns?: string[];
  /** A header name, where labels are needed; with a task none. */
  labelColumn?: string;
  /** The label is a number to be predicted, not a class. A task knows by itself. */
  regression?: boolean;
  /** Default: by the file's extension. */
  format?: DataFormat;
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

/** MNLI's second dev file, where it lies beside the first; undefined for any other source. */
export function mismatchedRows(dev: DataSource): DataSource | undefined {
  const file = dev.task === 'mnli' ? mismatchedSibling(dev.file ?? dev.path) : undefined;
  if (file === undefined) return undefined;
  return { ...dev, path: path.join(path.dirname(dev.path), path.basename(file)), file };
}

/** What is needed of each row: its label too, or its texts alone; then a label column is neither needed nor read. */
type Need = 'labels' | 'texts';

/**
 * Reads a file's rows.
 * @throws HifiError INVALID_INPUT, one line with the file, row and column, when the file cannot be read, is empty, has no
 * rows, lacks a column (naming the nearest) or a row lacks a field
 */
export async function readDataset(source: DataSource, need: Need): Promise<Dataset> {
  const reader = await RowReader.open(source, need);
  const dataset = reader.emptyDataset();
  const numbers: number[] = [];
  const hash = createHash('sha256');
  for await (const rows of reader.rows(hash)) {
    for (const row of rows) {
      reader.put(dataset, numbers.length, row);
      numbers.push(row.number);
    }
  }
  const { rowsInFile } = reader;
  const skipped = rowsInFile - numbers.length;
  return {
    ...dataset,
    sha256: hash.digest('hex'),
    rows: numbers.length,
    ...(skipped > 0 && { rowNumbers: Int32Array.from(numbers) }),
    skipped,
  };
}

/**
 * Looks whether a file has rows to be read: its first record alone.
 * @throws HifiError INVALID_INPUT when the file cannot be read, is empty or lacks a column (naming the nearest)
 */
export async function checkColumns(source: DataSource, need: Need): Promise<void> {
  await RowReader.open(source, need);
}

/** Some rows of a file, and how many there are to draw from. */
export interface DrawnRows {
  /** The drawn rows, in the order drawn. */
  dataset: Dataset;
  /** Rows of the file that can be used. */
  available: number;
}

/**
 * Draws rows of a file of any size: one pass checks, counts and hashes, a second one keeps the drawn rows, so that memory
 * grows with them alone.
 * @param draw indices, of so many rows, without repeats
 * @throws HifiError INVALID_INPUT as `readDataset`
 */
export async function drawRows(
  source: DataSource,
  need: Need,
  draw: (available: number) => Int32Array,
): Promise<DrawnRows> {
  const reader = await RowReader.open(source, need);
  const hash = createHash('sha256');
  let available = 0;
  for await (const rows of reader.rows(hash)) available += rows.length;
  const skipped = reader.rowsInFile - available;

  const drawn = draw(available);
  const place = new Map(Array.from(drawn, (index, at) => [index, at]));
  const dataset = reader.emptyDataset();
  const rowNumbers = new Int32Array(drawn.length);
  let index = 0;
  let left = drawn.length;
  for await (const rows of reader.rows()) {
    for (const row of rows) {
      const at = place.get(index++);
      if (at === undefined) continue;
      reader.put(dataset, at, row);
      rowNumbers[at] = row.number;
      left--;
    }
    if (left === 0) break;
  }
  if (left > 0) throw invalidInput(`${source.path}: the file was changed while it was read`);
  const read = { ...dataset, sha256: hash.digest('hex'), rows: drawn.length, rowNumbers, skipped };
  return { dataset: read, available };
}

/** How each format is read. */
const READERS: Readonly<Record<DataFormat, (source: NamedFile, pass: Pass) => Records>> = {
  tsv: tsvRecords,
  csv: csvRecords,
  jsonl: jsonRecords,
  parquet: parquetRecords,
  txt: textRecords,
};

/** A record that is a row, with its number in the file. */
interface Row {
  number: number;
  record: TableRecord;
}

/** A file of which it is known where the texts and labels are. */
class RowReader {
  /** Rows of the file, those counted that the task leaves out; known after a pass. */
  rowsInFile = 0;

  private constructor(
    private readonly source: DataSource,
    private readonly table: TableFormat,
    private readonly task: TaskName | undefined,
    private readonly layout: Layout,
  ) {}

  static async open(source: DataSource, need: Need): Promise<RowReader> {
    const task = source.task === undefined ? undefined : taskNamed(source.task);
    const format = source.format ?? formatOf(source.path);
    checkSource(source, format, need);
    const table = tableFormat(format);
    const first = await firstRecord(READERS[format](source, {}), table);
    if (first === undefined) throw invalidInput(`${source.path}: the file is empty`);
    const columns = format === 'txt' ? { ...source, textColumns: [TEXT_COLUMN] } : source;
    const layout = task ? taskLayout(source.path, task, first, table, need) : ownLayout(columns, first, table, need);
    return new RowReader(source, table, task, layout);
  }

  /** One pass over the rows that can be used, some at a time, each of them checked. */
  async *rows(hash?: Hash): AsyncGenerator<Row[]> {
    const { source, table, layout, task } = this;
    const columns = [...layout.texts, ...(layout.label ? [layout.label] : [])].map(({ name }) => name);
    let header = layout.header;
    let blank: TableRecord[] = [];
    let number = 0;
    let used = 0;
    for await (const records of READERS[table.format](source, { hash, columns })) {
      const rows: Row[] = [];
      const take = (record: TableRecord) => {
        const row = { number: number++, record };
        if (task && isLeftOut(task, record, layout)) return;
        checkRow(source.path, row, layout);
        rows.push(row);
      };
      for (const record of records) {
        if (!table.named && isBlank(record)) {
          // In a file of one column a blank line is a row without its text, but for those at the end.
          if (layout.names.length === 1 && !header) blank.push(record);
        } else if (header) {
          header = false;
        } else {
          blank.forEach(take);
          blank = [];
          take(record);
        }
      }
      used += rows.length;
      if (rows.length > 0) yield rows;
    }
    if (number === 0) throw invalidInput(`${source.path}: there ${table.names.is} but no row`);
    if (used === 0) throw invalidInput(`${source.path}: none of the ${number} rows can be used`);
    this.rowsInFile = number;
  }

  emptyDataset(): Dataset {
    const { source, layout, task } = this;
    return {
      path: source.path,
      sha256: '',
      texts: [],
      ...(layout.texts.length > 1 && { seconds: [] }),
      ...(layout.label && { labels: [] }),
      rows: 0,
      skipped: 0,
      ...(task && { task }),
      regression: task ? TASKS[task].classes === null : source.regression === true,
    };
  }

  /** Puts a row's texts and label at index `at` of a dataset. */
  put({ texts, seconds, labels }: Dataset, at: number, { record }: Row): void {
    const { layout, task } = this;
    texts[at] = record.field(layout.texts[0].at)!;
    if (seconds) seconds[at] = record.field(layout.texts[1].at)!;
    if (!labels) return;
    const label = record.field(layout.label!.at)!.trim();
    labels[at] = task ? classText(TASKS[task], label) : label;
  }
}

/** A format as the rules for rows know it. */
interface TableFormat {
  format: DataFormat;
  /** Every record has the columns' names, so that none is blank and the first one is always a header. */
  named: boolean;
  /** What holds the names, and that it is there, for messages. */
  names: { in: string; is: string };
}

function tableFormat(format: DataFormat): TableFormat {
  const named = format !== 'tsv' && format !== 'csv';
  const held = format === 'jsonl' ? 'the first object' : named ? 'the schema' : 'the header';
  return { format, named, names: { in: held, is: named ? 'are columns' : 'is a header' } };
}

async function firstRecord(records: Records, { named }: TableFormat): Promise<TableRecord | undefined> {
  for await (const some of records) {
    const first = some.find((record) => named || !isBlank(record));
    if (first) return first;
  }
  return undefined;
}

/** Whether a record is a blank line. */
const isBlank = (record: TableRecord) => record.width === 1 && record.field(0)!.trim() === '';

interface Column {
  name: string;
  at: number;
}

interface Layout {
  texts: Column[];
  label?: Column;
  /** The fields that each record must have, by name. */
  names: string[];
  /** Whether the first record holds the names. */
  header: boolean;
  /** GLUE's files: more fields than the header, and empty texts, are taken as they come. */
  lenient: boolean;
}

function checkSource(source: DataSource, format: DataFormat, need: Need): void {
  const { path, task, textColumns = [], labelColumn, regression } = source;
  if (format === 'txt') {
    if (need === 'labels') {
      throw invalidInput(
        `${path}: a plain text has no labels; give a TSV, CSV, JSONL or Parquet file (or --format tsv)`,
      );
    }
    if (task === undefined && textColumns.length === 0) return;
    throw invalidInput(`${path}: a plain text has no columns, and is of no task; --format tsv reads it as a table`);
  }
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

function taskLayout(path: string, name: TaskName, first: TableRecord, table: TableFormat, need: Need): Layout {
  const task = TASKS[name];
  const { headerless } = task;
  const header = namesOf(first);
  if (!headerless || table.named || header.includes(task.textColumns[0])) {
    const { textColumns, labelColumn } = taskColumns(task, header, table, need);
    const texts = textColumns.map((column) => columnNamed(path, header, column, table));
    const label = need === 'labels' ? columnNamed(path, header, labelColumn, table) : undefined;
    return { texts, label, names: header, header: true, lenient: true };
  }
  const names = Array.from({ length: headerless.width }, (_, at) => `column ${at}`);
  for (const [i, at] of headerless.texts.entries()) names[at] = task.textColumns[i];
  names[headerless.label] = task.labelColumn;
  return {
    texts: headerless.texts.map((at) => ({ name: names[at], at })),
    label: need === 'labels' ? { name: task.labelColumn, at: headerless.label } : undefined,
    names,
    header: false,
    lenient: true,
  };
}

/** The names that a task's columns have in a file: in the benchmark's own files, or in the Hub's data set. */
function taskColumns(task: Task, header: readonly string[], { named }: TableFormat, need: Need): TaskColumns {
  const known = [task, ...(task.hub ? [task.hub] : [])];
  const whole = known.find(({ textColumns, labelColumn }) =>
    [...textColumns, ...(need === 'labels' ? [labelColumn] : [])].every((name) => header.includes(name)),
  );
  // Where neither is whole, the message asks for what such a file would have.
  return whole ?? (named ? known.at(-1)! : task);
}

function ownLayout(
  { path, textColumns, labelColumn }: DataSource,
  first: TableRecord,
  table: TableFormat,
  need: Need,
): Layout {
  const header = namesOf(first);
  const texts = textColumns!.map((name) => columnNamed(path, header, name, table));
  const label = need === 'labels' ? columnNamed(path, header, labelColumn!, table) : undefined;
  return { texts, label, names: header, header: true, lenient: false };
}

const fieldsOf = (record: TableRecord) => Array.from({ length: record.width }, (_, at) => record.field(at) ?? '');

const namesOf = (record: TableRecord) => fieldsOf(record).map((name) => name.trim());

function columnNamed(path: string, header: readonly string[], name: string, { names }: TableFormat): Column {
  const at = header.indexOf(name);
  if (at < 0) {
    const shown = header.slice(0, 12).map((column) => JSON.stringify(column.slice(0, 40)));
    const columns = shown.join(', ') + (header.length > 12 ? ', …' : '');
    throw invalidInput(`${path}: no column "${name}" in ${names.in} (${columns})${didYouMean(name, header)}`);
  }
  if (header.indexOf(name, at + 1) >= 0) throw invalidInput(`${path}: ${names.in} names the column "${name}" twice`);
  return { name, at };
}

/** Whether the task's own rules leave the row out (QQP's rows in pieces, MNLI's rows without a gold label). */
function isLeftOut(name: TaskName, record: TableRecord, { texts, label }: Layout): boolean {
  const task = TASKS[name];
  if (task.skipBrokenRows) {
    if (texts.some(({ at }) => record.field(at) === undefined)) return true;
    if (label && (record.field(label.at) ?? '').trim() === '') return true;
  }
  return !!label && task.noLabel !== undefined && record.field(label.at) === task.noLabel;
}

function checkRow(path: string, { number, record }: Row, layout: Layout): void {
  const { texts, label, names, lenient } = layout;
  const refuse = (what: string) => {
    const line = record.line === undefined ? '' : ` (line ${record.line})`;
    return invalidInput(`${path}: row ${number}${line} ${what}`);
  };
  if (!lenient && record.width < names.length) throw refuse(lacks(names[record.width], record, names));
  if (!lenient && record.width > names.length) {
    throw refuse(`has ${record.width} fields, the header has ${names.length}: ${excerpt(record)}`);
  }
  for (const { name, at } of label ? [...texts, label] : texts) {
    const value = record.field(at);
    if (value === undefined) throw refuse(lacks(name, record, names));
    const mayBeEmpty = lenient && name !== label?.name;
    if (!mayBeEmpty && value.trim() === '') throw refuse(`has nothing in the column "${name}": ${excerpt(record)}`);
  }
}

/** That a record has no such field, or nothing in it. */
function lacks(name: string, record: TableRecord, names: readonly string[]): string {
  if (record.width >= names.length) return `has no value in the column "${name}"`;
  const found = `${record.width} field${record.width === 1 ? '' : 's'} of ${names.length}`;
  return `has no column "${name}": ${found}, ${excerpt(record)}`;
}

function excerpt(record: TableRecord): string {
  const text = fieldsOf(record).join(' | ');
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
