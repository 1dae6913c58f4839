import { invalidInput } from '../foundation/errors';
import type { NamedFile } from './bytes';
import { DelimitedRecord, delimiterByte, LIKELY_DELIMITERS } from './delimited';
import { CR, LF, LONGEST_LINE, lineBlocks } from './lines';
import type { Pass, Records, TableRecord } from './records';

/**
 * Reads the records of a CSV file as RFC 4180 defines them. LF, CRLF and CR each end a record, in
 * any mix; a quoted field may contain them. A blank line is a record of one empty field.
 * @throws HifiError INVALID_INPUT if the file is unreadable, not UTF-8 or malformed (with the line)
 */
export async function* csvRecords(source: NamedFile, { hash, delimiter = ',' }: Pass): Records {
  const scanner = new Scanner(source.path, delimiterByte(source, delimiter));
  for await (const { bytes } of lineBlocks(source, hash)) yield scanner.records(bytes);
  yield scanner.last();
}

const QUOTE = 0x22;

class CsvRecord extends DelimitedRecord {
  override field(index: number): string | undefined {
    const text = super.field(index);
    return text?.[0] === '"' ? text.slice(1, -1).replaceAll('""', '"') : text;
  }
}

/** Finds the ends of fields and records in successive blocks of whole lines. */
class Scanner {
  /** Line number of the next record. */
  private line = 1;
  /** Record that earlier blocks begin and do not end: it has an open quote. */
  private begun: Buffer[] = [];
  private bytes = 0;
  /**
   * Size at which the record is scanned again: twice the last one, so that a long record takes
   * linear time.
   */
  private enough = 0;

  constructor(
    private readonly path: string,
    private readonly delimiter: number,
  ) {}

  /** Returns the records that end in the next block. */
  records(block: Buffer): TableRecord[] {
    this.begun.push(block);
    this.bytes += block.length;
    return this.bytes < this.enough ? [] : this.scan();
  }

  /** Returns the records that the end of the file ends. */
  last(): TableRecord[] {
    const records = this.bytes > 0 ? this.scan() : [];
    if (this.bytes === 0) return records;
    throw this.malformed(`a quoted field of the record in line ${this.line} is never closed`);
  }

  private scan(): TableRecord[] {
    const bytes = this.begun.length === 1 ? this.begun[0] : Buffer.concat(this.begun);
    const records: TableRecord[] = [];
    let start = 0;
    while (start < bytes.length) {
      const bounds = [start];
      const lines = this.fields(bytes, bounds);
      if (lines === undefined) break;
      records.push(new CsvRecord(this.line, bytes, bounds));
      const end = bounds[bounds.length - 1] - 1;
      start = bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : end + 1;
      this.line += lines;
    }
    const rest = bytes.subarray(start);
    this.begun = rest.length > 0 ? [rest] : [];
    this.bytes = rest.length;
    this.enough = 2 * rest.length;
    if (rest.length <= LONGEST_LINE) return records;
    throw this.malformed(`the record in line ${this.line} is longer than 256 MiB; is a quote of it never closed?`);
  }

  /**
   * Appends the bounds of a record's fields to those of the first; `bounds` are those of
   * `DelimitedRecord`.
   * @returns the number of lines of the record; undefined if a quoted field has no end yet
   */
  private fields(bytes: Buffer, bounds: number[]): number | undefined {
    const { length } = bytes;
    const { delimiter } = this;
    let lines = 1;
    for (let at = bounds[0]; ; at++) {
      if (bytes[at] === QUOTE) {
        for (at++; at < length; at++) {
          const byte = bytes[at];
          if (byte === LF || (byte === CR && bytes[at + 1] !== LF)) lines++;
          if (byte !== QUOTE) continue;
          if (bytes[at + 1] !== QUOTE) break;
          at++;
        }
        if (at >= length) return undefined;
        at++;
        if (at < length && bytes[at] !== delimiter && bytes[at] !== LF && bytes[at] !== CR) {
          throw this.afterQuote(bytes, bounds, at);
        }
      } else {
        for (; at < length; at++) {
          const byte = bytes[at];
          if (byte === delimiter || byte === LF || byte === CR) break;
          if (byte === QUOTE) throw this.withinField(bytes, bounds, at);
        }
      }
      bounds.push(at + 1);
      if (at >= length || bytes[at] !== delimiter) return lines;
    }
  }

  private afterQuote(bytes: Buffer, bounds: readonly number[], at: number) {
    const next = String.fromCharCode(bytes[at]);
    const likely = LIKELY_DELIMITERS.includes(next)
      ? `where ${JSON.stringify(next)} separates fields, give --delimiter ${JSON.stringify(next)}`
      : 'a quote within a quoted field must be doubled';
    return this.malformed(`${this.where(bytes, bounds, at)} continues after its closing quote; ${likely}`);
  }

  private withinField(bytes: Buffer, bounds: readonly number[], at: number) {
    const right = 'such a field must be quoted, and quotes in it doubled (--format tsv takes quotes literally)';
    return this.malformed(`${this.where(bytes, bounds, at)} has a quote and does not begin with one; ${right}`);
  }

  /** Describes the place of an error, and the field up to there. */
  private where(bytes: Buffer, bounds: readonly number[], at: number): string {
    const start = bounds[bounds.length - 1];
    // Counts line ends within the record; a CRLF is one.
    const lines = bytes.toString('latin1', bounds[0], at).match(/\r\n?|\n/g)?.length ?? 0;
    const found = bytes.toString('utf8', Math.max(start, at - 40), at + 1);
    return `line ${this.line + lines}: field ${bounds.length} (${JSON.stringify(found)})`;
  }

  private malformed(what: string) {
    return invalidInput(`${this.path}: not RFC 4180: ${what}`);
  }
}
