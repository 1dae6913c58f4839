import type { Hash } from 'node:crypto';
import { invalidInput } from '../errors';
import type { NamedFile } from './bytes';
import type { DataSource, Dataset, Need } from './dataset';
import { csvRecords, tsvRecords } from './delimited';
import { type DataFormat, formatOf } from './format';
import { jsonRecords } from './jsonl';
import { checkSource, type Layout, layoutOf, type TableFormat, tableFormat } from './layout';
import { parquetRecords } from './parquet';
import { textRecords } from './plain-text';
import { fieldsOf, type Pass, type Records, type TableRecord } from './records';
import { classText, TASKS, type TaskName, taskNamed } from './tasks';

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
export class RowReader {
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
    return new RowReader(source, table, task, layoutOf(source, first, table, need));
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

async function firstRecord(records: Records, { named }: TableFormat): Promise<TableRecord | undefined> {
  for await (const some of records) {
    const first = some.find((record) => named || !isBlank(record));
    if (first) return first;
  }
  return undefined;
}

/** Whether a record is a blank line. */
const isBlank = (record: TableRecord) => record.width === 1 && record.field(0)!.trim() === '';

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
