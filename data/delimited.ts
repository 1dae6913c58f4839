import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { invalidInput } from '../errors';
import { nearestSibling } from './nearest';

/** `tsv`: tabs between the fields, quotes are ordinary characters. `csv`: RFC 4180, a quoted field may span lines. */
export type DelimitedFormat = 'tsv' | 'csv';

/** One record of a file. Fields are decoded when they are asked for, so that unused columns cost nothing. */
export interface DelimitedRecord {
  /** The line it starts on, from 1, as an editor counts. */
  readonly line: number;
  /** How many fields it has; a blank line has one, the empty string. */
  readonly width: number;
  /** Field `index` < `width`. */
  field(index: number): string;
}

/** The whole of a delimited file: read once, hashed over its bytes, checked to be UTF-8. */
export interface DelimitedFile {
  readonly path: string;
  /** SHA-256 of the file's bytes, byte order mark included; hexadecimal. */
  readonly sha256: string;
  /** All records in order, the header too, without the blank lines at the end. */
  readonly records: readonly DelimitedRecord[];
}

/**
 * Which format a file is in, told by its extension.
 * @throws HifiError INVALID_INPUT for another extension
 */
export function formatOf(file: string): DelimitedFormat {
  const extension = path.extname(file).toLowerCase();
  if (extension === '.csv') return 'csv';
  if (['.tsv', '.tab', '.txt'].includes(extension)) return 'tsv';
  throw invalidInput(`${file}: the name does not tell the format; .tsv or .csv does, or --format tsv|csv`);
}

/**
 * Reads a delimited file. A byte order mark is dropped; lines end in LF or CRLF.
 * @throws HifiError INVALID_INPUT when the file is missing, unreadable, empty, not UTF-8 (naming the line) or, as CSV,
 * not well-formed
 */
export function readDelimited(file: string, format: DelimitedFormat): DelimitedFile {
  const whole = readBytes(file);
  const sha256 = createHash('sha256').update(whole).digest('hex');
  const bytes = whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf ? whole.subarray(3) : whole;
  checkUtf8(file, bytes);
  const records = format === 'csv' ? csvRecords(file, bytes) : tsvRecords(bytes);
  while (records.length > 0 && isBlank(records[records.length - 1])) records.pop();
  if (records.length === 0) throw invalidInput(`${file}: the file is empty`);
  return { path: file, sha256, records };
}

/** Whether a record is a blank line. */
export const isBlank = (record: DelimitedRecord) => record.width === 1 && record.field(0).trim() === '';

function readBytes(file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw invalidInput(`${file}: no such file${nearestSibling(file)}`, error);
    if (code === 'EISDIR') throw invalidInput(`${file}: is a folder, not a file`, error);
    throw invalidInput(`${file}: cannot be read (${code ?? String(error)})`, error);
  }
}

function checkUtf8(file: string, bytes: Buffer): void {
  if (isUtf8(bytes)) return;
  let line = 1;
  for (let start = 0; start <= bytes.length; line++) {
    const end = lineEnd(bytes, start);
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  throw invalidInput(`${file}: line ${line} is not UTF-8; save the file as UTF-8`);
}

function lineEnd(bytes: Buffer, start: number): number {
  const at = bytes.indexOf(0x0a, start);
  return at < 0 ? bytes.length : at;
}

class TsvRecord implements DelimitedRecord {
  /** `bounds[i]` is where field `i` starts; `bounds[i + 1] - 1` is where it ends. */
  constructor(
    readonly line: number,
    private readonly bytes: Buffer,
    private readonly bounds: readonly number[],
  ) {}

  get width(): number {
    return this.bounds.length - 1;
  }

  field(index: number): string {
    return this.bytes.toString('utf8', this.bounds[index], this.bounds[index + 1] - 1);
  }
}

function tsvRecords(bytes: Buffer): DelimitedRecord[] {
  const records: DelimitedRecord[] = [];
  let bounds = [0];
  for (let at = 0; at <= bytes.length; at++) {
    const byte = at < bytes.length ? bytes[at] : 0x0a;
    if (byte === 0x09) bounds.push(at + 1);
    if (byte !== 0x0a) continue;
    const end = bytes[at - 1] === 0x0d && at > bounds[0] ? at - 1 : at;
    records.push(new TsvRecord(records.length + 1, bytes, [...bounds, end + 1]));
    bounds = [at + 1];
  }
  return records;
}

class CsvRecord implements DelimitedRecord {
  constructor(
    readonly line: number,
    private readonly fields: readonly string[],
  ) {}

  get width(): number {
    return this.fields.length;
  }

  field(index: number): string {
    return this.fields[index];
  }
}

function csvRecords(file: string, bytes: Buffer): DelimitedRecord[] {
  try {
    // Widths are the caller's to check: it can name the column.
    const parsed = parse(bytes, { relax_column_count: true, info: true }) as unknown as {
      info: { lines: number };
      record: string[];
    }[];
    let line = 1;
    return parsed.map(({ info, record }) => {
      const start = line;
      line = info.lines + 1;
      return new CsvRecord(start, record);
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw invalidInput(`${file}: not RFC 4180: ${error.message.split('\n')[0]}`, error);
  }
}
