import { createHash, type Hash } from 'node:crypto';
import { invalidInput } from '../foundation/errors';
import type { NamedFile } from './bytes';
import { csvRecords } from './csv';
import type { DataSource, Dataset, Need } from './dataset';
import { tsvRecords } from './delimited';
import { filesOf, sourceFormat, sourceName, sourceSha256 } from './files';
import type { DataFormat } from './format';
import { jsonRecords } from './jsonl';
import { checkSource, type Layout, layoutOf, namesOf, type TableFormat, tableFormat } from './layout';
import { parquetRecords } from './parquet';
import { textRecords } from './plain-text';
import { problemOf } from './problem';
import { fieldsOf, type Pass, type Records, type TableRecord } from './records';
import { classText, TASKS, type TaskName, taskNamed } from './tasks';

/** Reader of each format. */
const READERS: Readonly<Record<DataFormat, (source: NamedFile, pass: Pass) => Records>> = {
  tsv: tsvRecords,
  csv: csvRecords,
  jsonl: jsonRecords,
  parquet: parquetRecords,
  txt: textRecords,
};

/** Record of a row, with its number in the source. */
interface Row {
  number: number;
  record: TableRecord;
  layout: Layout;
}

type Columns = Pick<Dataset, 'texts' | 'seconds' | 'labels'>;

/** File of a source, with the known places of texts and labels. */
interface File {
  file: NamedFile;
  layout: Layout;
}

/** Source with the known places of texts and labels. */
export class RowReader {
  /** Number of the source's rows, including those that the task leaves out; known after a pass. */
  rowsInSource = 0;
  /** SHA-256 of the source; known after a pass that hashes. */
  sha256 = '';
  /** Number of each file's first row; known after a pass. */
  private readonly firstRows: number[] = [];

  private constructor(
    private readonly source: DataSource,
    private readonly table: TableFormat,
    private readonly task: TaskName | undefined,
    private readonly need: Need,
    private readonly files: readonly File[],
  ) {}

  static async open(source: DataSource, need: Need): Promise<RowReader> {
    const task = source.task === undefined ? undefined : taskNamed(source.task);
    const format = sourceFormat(source);
    checkSource(source, format, need);
    const table = tableFormat(source, format);
    const files: File[] = [];
    for (const file of filesOf(source)) {
      const first = await firstRecord(file, table);
      files.push({ file, layout: layoutOf({ ...source, path: file.path }, first, table, need) });
    }
    return new RowReader(source, table, task, need, files);
  }

  /** Yields the usable rows in groups and checks each of them. */
  async *rows(hashing = false): AsyncGenerator<Row[]> {
    const hashes: string[] = [];
    let number = 0;
    let used = 0;
    for (const [at, file] of this.files.entries()) {
      const hash = hashing ? createHash('sha256') : undefined;
      this.firstRows[at] = number;
      for await (const { rows, seen } of this.rowsOfFile(file, number, hash)) {
        number = this.firstRows[at] + seen;
        used += rows.length;
        if (rows.length > 0) yield rows;
      }
      if (hash) hashes.push(hash.digest('hex'));
    }
    if (number === 0) throw invalidInput(`${sourceName(this.source)}: there ${this.table.names.is} but no row`);
    if (used === 0) throw invalidInput(`${sourceName(this.source)}: none of the ${number} rows can be used`);
    this.rowsInSource = number;
    if (hashing) this.sha256 = sourceSha256(hashes);
  }

  /** Yields the rows of a file in groups, with the number of rows so far. */
  private async *rowsOfFile({ file, layout }: File, from: number, hash?: Hash) {
    const { table, task } = this;
    const columns = [...layout.texts, ...(layout.label ? [layout.label] : [])].map(({ name }) => name);
    let header = layout.header;
    let blank: TableRecord[] = [];
    let seen = 0;
    for await (const records of READERS[table.format](file, { hash, columns, delimiter: table.delimiter })) {
      const rows: Row[] = [];
      const take = (record: TableRecord) => {
        const number = seen++;
        if (task && isLeftOut(task, record, layout)) return;
        checkRow(file.path, number, record, layout, this.need);
        rows.push({ number: from + number, record, layout });
      };
      for (const record of records) {
        if (record.blank) {
          // In a file of one column a blank line is a row without a text, except at the end.
          if (layout.names.length === 1 && !header) blank.push(record);
        } else if (header) {
          header = false;
        } else {
          blank.forEach(take);
          blank = [];
          take(record);
        }
      }
      yield { rows, seen };
    }
  }

  emptyColumns(): Columns {
    const [{ layout }] = this.files;
    return { texts: [], ...(layout.texts.length > 1 && { seconds: [] }), ...(layout.label && { labels: [] }) };
  }

  /**
   * Results of a hashing pass over the source, with columns that hold some or all of its `rows`
   * usable rows.
   */
  dataset(columns: Columns, rows: number): Dataset {
    const { source, files, firstRows, task } = this;
    const named = files.length === 1 && files[0].file.path === source.path;
    return {
      path: sourceName(source),
      ...(!named && { parts: files.map(({ file }, at) => ({ path: file.path, from: firstRows[at] })) }),
      sha256: this.sha256,
      ...columns,
      rows,
      skipped: this.rowsInSource - rows,
      ...(task && { task }),
      problem: task ? TASKS[task].labels.problem : problemOf(source),
    };
  }

  /** Puts a row's texts and label at index `at` of a dataset. */
  put({ texts, seconds, labels }: Columns, at: number, { record, layout }: Row): void {
    texts[at] = record.field(layout.texts[0].at)!;
    if (seconds) seconds[at] = record.field(layout.texts[1].at)!;
    if (!labels) return;
    const { at: column, classes } = layout.label!;
    const label = record.field(column)!.trim();
    labels[at] = this.task ? classText(TASKS[this.task], label) : (classes?.[Number(label)] ?? label);
  }
}

/**
 * Names of a source's columns, from its first file.
 * @throws HifiError INVALID_INPUT if that file is unreadable or empty
 */
export async function columnNames(source: DataSource): Promise<string[]> {
  const table = tableFormat(source, sourceFormat(source));
  return namesOf(await firstRecord(filesOf(source)[0], table));
}

async function firstRecord(file: NamedFile, { format, delimiter }: TableFormat): Promise<TableRecord> {
  for await (const some of READERS[format](file, { delimiter })) {
    const first = some.find((record) => !record.blank);
    if (first) return first;
  }
  throw invalidInput(`${file.path}: the file is empty`);
}

/**
 * Returns true if the task skips the row: a broken row of QQP, or a row of MNLI without a gold
 * label.
 */
function isLeftOut(name: TaskName, record: TableRecord, { texts, label }: Layout): boolean {
  const task = TASKS[name];
  if (task.skipBrokenRows) {
    if (texts.some(({ at }) => record.field(at) === undefined)) return true;
    if (label && (record.field(label.at) ?? '').trim() === '') return true;
  }
  return !!label && task.noLabel !== undefined && record.field(label.at) === task.noLabel;
}

function checkRow(path: string, number: number, record: TableRecord, layout: Layout, need: Need): void {
  const { texts, label, names, lenient } = layout;
  const refuse = (what: string) => {
    const line = record.line === undefined ? '' : ` (line ${record.line})`;
    return invalidInput(`${path}: row ${number}${line} ${what}`);
  };
  if (!lenient && record.width < names.length) throw refuse(lacks(names[record.width], record, names));
  if (!lenient && record.width > names.length) {
    throw refuse(`has ${record.width} fields, the header has ${names.length}: ${excerpt(record)}`);
  }
  for (const { name, at, classes } of label ? [...texts, label] : texts) {
    const value = record.field(at);
    if (value === undefined) throw refuse(lacks(name, record, names));
    const mayBeEmpty = need === 'empty texts' || (lenient && name !== label?.name);
    if (!mayBeEmpty && value.trim() === '') throw refuse(`has nothing in the column "${name}": ${excerpt(record)}`);
    if (classes && classes[Number(value)] === undefined) {
      throw refuse(`has the class ${value} in the column "${name}"; the schema has 0 to ${classes.length - 1}`);
    }
  }
}

/** Describes a missing field or value of a record. */
function lacks(name: string, record: TableRecord, names: readonly string[]): string {
  if (record.width >= names.length) return `has no value in the column "${name}"`;
  const found = `${record.width} field${record.width === 1 ? '' : 's'} of ${names.length}`;
  return `has no column "${name}": ${found}, ${excerpt(record)}`;
}

function excerpt(record: TableRecord): string {
  const text = fieldsOf(record).join(' | ');
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
