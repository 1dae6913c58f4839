import { createHash, type Hash } from 'node:crypto';
import { invalidInput } from '../foundation/errors';
import type { NamedFile } from './bytes';
import type { Column, Layout } from './columns';
import { conllRecords } from './conll';
import { csvRecords } from './csv';
import type { DataSource, Dataset, Label, Need } from './dataset';
import { tsvRecords } from './delimited';
import { filesOf, sourceFormat, sourceName, sourceSha256 } from './files';
import type { DataFormat } from './format';
import { jsonRecords } from './jsonl';
import { LABELS } from './labels';
import { checkSource, layoutOf, namesOf, type TableFormat, tableFormat } from './layout';
import { parquetRecords } from './parquet';
import { textRecords } from './plain-text';
import { type ProblemType, problemOf } from './problem';
import type { Pass, Records, TableRecord } from './records';
import { RowCells } from './row-cells';
import { TASKS, type TaskName, taskNamed } from './tasks';
import { wordsOf } from './word-labels';

/** Reader of each format. */
const READERS: Readonly<Record<DataFormat, (source: NamedFile, pass: Pass) => Records>> = {
  tsv: tsvRecords,
  csv: csvRecords,
  jsonl: jsonRecords,
  parquet: parquetRecords,
  txt: textRecords,
  conll: conllRecords,
};

/** Row of a source: its texts, its label if it is needed, and its number in the source. */
interface Row {
  number: number;
  texts: string[];
  words?: readonly string[];
  label?: Label;
}

type Columns = Pick<Dataset, 'texts' | 'seconds' | 'words' | 'labels'>;

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
  private readonly problem: ProblemType;

  private constructor(
    private readonly source: DataSource,
    private readonly table: TableFormat,
    private readonly task: TaskName | undefined,
    private readonly need: Need,
    private readonly files: readonly File[],
  ) {
    this.problem = task ? TASKS[task].labels.problem : problemOf(source);
  }

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
    const placesOf = (columns: readonly Column[]) => columns.map(({ at }) => at);
    const columns = placesOf([...layout.texts, ...layout.labels]);
    const { several, words } = LABELS[this.problem];
    const lists = words ? columns : several ? placesOf(layout.labels) : [];
    let header = layout.header;
    let blank: TableRecord[] = [];
    let seen = 0;
    for await (const records of READERS[table.format](file, { hash, columns, lists, delimiter: table.delimiter })) {
      const rows: Row[] = [];
      const take = (record: TableRecord) => {
        const number = seen++;
        if (task && isLeftOut(task, record, layout)) return;
        rows.push({ number: from + number, ...this.read(new RowCells(file.path, number, record, layout)) });
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

  /**
   * Reads a row's texts and label.
   * @throws HifiError INVALID_INPUT for any fault of a needed cell
   */
  private read(cells: RowCells): Omit<Row, 'number'> {
    const { texts, labels, lenient } = cells.layout;
    cells.checkWidth();
    const mayBeEmpty = lenient || this.need === 'empty texts';
    const words = LABELS[this.problem].words && wordsOf(cells, mayBeEmpty);
    const found = words ? [words.join(' ')] : texts.map((column) => cells.text(column, mayBeEmpty));
    return {
      texts: found,
      ...(words && { words }),
      ...(labels.length > 0 && { label: LABELS[this.problem].read(cells) }),
    };
  }

  emptyColumns(): Columns {
    const [{ layout }] = this.files;
    return {
      texts: [],
      ...(layout.texts.length > 1 && { seconds: [] }),
      ...(LABELS[this.problem].words && { words: [] }),
      ...(layout.labels.length > 0 && { labels: [] }),
    };
  }

  /**
   * Results of a hashing pass over the source, with columns that hold some or all of its `rows`
   * usable rows.
   */
  dataset(columns: Columns, rows: number): Dataset {
    const { source, files, firstRows, task } = this;
    const named = files.length === 1 && files[0].file.path === source.path;
    const { labelNames, labels } = files[0].layout;
    return {
      path: sourceName(source),
      ...(!named && { parts: files.map(({ file }, at) => ({ path: file.path, from: firstRows[at] })) }),
      sha256: this.sha256,
      ...columns,
      rows,
      skipped: this.rowsInSource - rows,
      ...(task && { task }),
      ...(labelNames && { labelNames }),
      ...(labels.length === 1 && { labelColumn: labels[0].name }),
      problem: this.problem,
    };
  }

  /** Puts a row's texts and label at index `at` of a dataset. */
  put({ texts, seconds, words, labels }: Columns, at: number, row: Row): void {
    texts[at] = row.texts[0];
    if (words) words[at] = row.words;
    if (seconds) seconds[at] = row.texts[1];
    if (labels) labels[at] = row.label!;
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
function isLeftOut(name: TaskName, record: TableRecord, { texts, labels: [label] }: Layout): boolean {
  const task = TASKS[name];
  if (task.skipBrokenRows) {
    if (texts.some(({ at }) => record.field(at) === undefined)) return true;
    if (label && (record.field(label.at) ?? '').trim() === '') return true;
  }
  return !!label && task.noLabel !== undefined && record.field(label.at) === task.noLabel;
}
