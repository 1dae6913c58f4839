import { invalidInput } from '../foundation/errors';
import type { DataSource, Dataset, Need } from './dataset';
import { sourceName } from './files';
import { RowReader } from './row-reader';

/**
 * Reads a source's rows.
 * @throws HifiError INVALID_INPUT, one line with the file, row and column: a file is unreadable or
 *   empty, has no rows or lacks a column (with the nearest name), or a row lacks a field
 */
export async function readDataset(source: DataSource, need: Need): Promise<Dataset> {
  const reader = await RowReader.open(source, need);
  const columns = reader.emptyColumns();
  const numbers: number[] = [];
  for await (const rows of reader.rows(true)) {
    for (const row of rows) {
      reader.put(columns, numbers.length, row);
      numbers.push(row.number);
    }
  }
  const rowNumbers = reader.rowsInSource > numbers.length && { rowNumbers: Int32Array.from(numbers) };
  return { ...reader.dataset(columns, numbers.length), ...rowNumbers };
}

/**
 * Checks that a source has rows, reading only the first record of each file.
 * @throws HifiError INVALID_INPUT if a file is unreadable, empty or lacks a column (with the
 *   nearest name)
 */
export async function checkColumns(source: DataSource, need: Need): Promise<void> {
  await RowReader.open(source, need);
}

/** Sampled rows of a source, and the number of rows to draw from. */
export interface DrawnRows {
  /** The drawn rows, in the order drawn. */
  dataset: Dataset;
  /** Number of usable rows of the source. */
  available: number;
}

/**
 * Draws rows of a source of any size. One pass checks, counts and hashes; a second pass stores the
 * drawn rows, so memory grows only with them.
 * @param draw returns distinct indices below the given number of rows
 * @throws HifiError INVALID_INPUT as `readDataset`
 */
export async function drawRows(
  source: DataSource,
  need: Need,
  draw: (available: number) => Int32Array,
): Promise<DrawnRows> {
  const reader = await RowReader.open(source, need);
  let available = 0;
  for await (const rows of reader.rows(true)) available += rows.length;
  const columns = reader.emptyColumns();
  const drawn = draw(available);
  const dataset = { ...reader.dataset(columns, available), rows: drawn.length };

  const place = new Map(Array.from(drawn, (index, at) => [index, at]));
  const rowNumbers = new Int32Array(drawn.length);
  let index = 0;
  let left = drawn.length;
  for await (const rows of reader.rows()) {
    for (const row of rows) {
      const at = place.get(index++);
      if (at === undefined) continue;
      reader.put(columns, at, row);
      rowNumbers[at] = row.number;
      left--;
    }
    if (left === 0) break;
  }
  if (left > 0) throw invalidInput(`${sourceName(source)}: the file changed while it was read`);
  return { dataset: { ...dataset, rowNumbers }, available };
}
