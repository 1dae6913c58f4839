import type { NamedFile } from './bytes';
import { eachLine, lineBlocks } from './lines';
import type { Pass, Records, TableRecord } from './records';

/** Name of the one column of a plain text. */
export const TEXT_COLUMN = 'text';

/**
 * Reads the lines of a plain text as records of one field. The first record has the field's name.
 * Blank lines are skipped.
 * @throws HifiError INVALID_INPUT if the file is unreadable or not UTF-8 (with the line)
 */
export async function* textRecords(source: NamedFile, { hash }: Pass): Records {
  let named = false;
  for await (const block of lineBlocks(source, hash)) {
    const records: TableRecord[] = [];
    eachLine(block, (line, start, end) => {
      const text = block.bytes.toString('utf8', start, end);
      if (text.trim() === '') return;
      if (!named) records.push({ line, width: 1, field: () => TEXT_COLUMN });
      named = true;
      records.push({ line, width: 1, field: () => text });
    });
    yield records;
  }
}
