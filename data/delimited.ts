import { invalidInput } from '../foundation/errors';
import type { NamedFile } from './bytes';
import { eachLine, lineBlocks } from './lines';
import type { Pass, Records, TableRecord } from './records';

/** Delimiters that files of this kind often have. */
export const LIKELY_DELIMITERS: readonly string[] = [',', ';', '\t', '|'];

/**
 * Reads the records of a TSV file: one per line, quotes are ordinary characters. A blank line is a
 * record of one empty field.
 * @throws HifiError INVALID_INPUT if the file is unreadable or not UTF-8 (with the line)
 */
export async function* tsvRecords(source: NamedFile, { hash, delimiter = '\t' }: Pass): Records {
  const between = delimiterByte(source, delimiter);
  for await (const block of lineBlocks(source, hash)) {
    const records: TableRecord[] = [];
    const { bytes } = block;
    eachLine(block, (line, start, end) => {
      const bounds = [start];
      for (let at = start; at < end; at++) if (bytes[at] === between) bounds.push(at + 1);
      bounds.push(end + 1);
      records.push(new DelimitedRecord(line, bytes, bounds));
    });
    yield records;
  }
}

/** Record whose fields are the bytes between delimiters. */
export class DelimitedRecord implements TableRecord {
  /** `bounds[i]` is where field `i` starts; `bounds[i + 1] - 1` is where it ends. */
  constructor(
    readonly line: number,
    protected readonly bytes: Buffer,
    protected readonly bounds: readonly number[],
  ) {}

  get width(): number {
    return this.bounds.length - 1;
  }

  get blank(): boolean {
    return this.width === 1 && this.written(0).trim() === '';
  }

  field(index: number): string | undefined {
    return index < this.width ? this.written(index) : undefined;
  }

  /** Returns a field as written in the file. */
  protected written(index: number): string {
    return this.bytes.toString('utf8', this.bounds[index], this.bounds[index + 1] - 1);
  }
}

/**
 * Returns the byte of a delimiter.
 * @throws HifiError INVALID_INPUT unless it is one ASCII character other than a quote or line end
 */
export function delimiterByte({ path }: NamedFile, delimiter: string): number {
  if (/^[^"\r\n\0\u0080-\uffff]$/.test(delimiter)) return delimiter.charCodeAt(0);
  const found = JSON.stringify(delimiter);
  throw invalidInput(`${path}: the delimiter is ${found}; it must be one ASCII character, no quote and no line end`);
}
