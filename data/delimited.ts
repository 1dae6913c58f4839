import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { invalidInput } from '../errors';
import type { NamedFile } from './bytes';
import { eachLine, LONGEST_LINE, lineBlocks } from './lines';
import type { Pass, Records, TableRecord } from './records';

/**
 * The records of a TSV file: lines end in LF or CRLF, quotes are ordinary characters. Blank lines are records of one empty field.
 * @throws HifiError INVALID_INPUT when the file cannot be read or is not UTF-8 (naming the line)
 */
export async function* tsvRecords(source: NamedFile, { hash }: Pass): Records {
  for await (const block of lineBlocks(source, hash)) {
    const records: TableRecord[] = [];
    const { bytes } = block;
    eachLine(block, (line, start, end) => {
      const bounds = [start];
      for (let at = start; at < end; at++) if (bytes[at] === TAB) bounds.push(at + 1);
      bounds.push(end + 1);
      records.push(new TsvRecord(line, bytes, bounds));
    });
    yield records;
  }
}

const TAB = 0x09;

class TsvRecord implements TableRecord {
  /** `bounds[i]` is where field `i` starts; `bounds[i + 1] - 1` is where it ends. */
  constructor(
    readonly line: number,
    private readonly bytes: Buffer,
    private readonly bounds: readonly number[],
  ) {}

  get width(): number {
    return this.bounds.length - 1;
  }

  field(index: number): string | undefined {
    if (index >= this.width) return undefined;
    return this.bytes.toString('utf8', this.bounds[index], this.bounds[index + 1] - 1);
  }
}

/** Records handed on at once. */
const BATCH = 1024;

/**
 * The records of a CSV file as RFC 4180 has it.
 * @throws HifiError INVALID_INPUT when the file cannot be read, is not UTF-8 (naming the line) or not well-formed
 */
export async function* csvRecords(source: NamedFile, { hash }: Pass): Records {
  async function* blocks() {
    for await (const { bytes } of lineBlocks(source, hash)) yield bytes;
  }
  // Widths are the caller's to check: it can name the column.
  const parser = parse({ relax_column_count: true, info: true, max_record_size: LONGEST_LINE });
  pipeline(Readable.from(blocks()), parser, () => {}); // what goes wrong is thrown below
  let records: TableRecord[] = [];
  let line = 1;
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: { lines: number }; record: string[] }>) {
      records.push({ line, width: record.length, field: (index) => record[index] });
      line = info.lines + 1;
      if (records.length < BATCH) continue;
      yield records;
      records = [];
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw invalidInput(`${source.path}: not RFC 4180: ${error.message.split('\n')[0]}`, error);
  }
  yield records;
}
