import { createHash } from 'node:crypto';
import { invalidInput } from '../errors';
import type { DataSource, Dataset, Need } from './dataset';
import { RowReader } from './row-reader';

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
