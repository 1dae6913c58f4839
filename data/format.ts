import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';

/**
 * Format of a file's rows. All formats but Parquet may be gzipped.
 *
 * - `tsv`: tabs between the fields; quotes are ordinary characters.
 * - `csv`: RFC 4180.
 * - `jsonl`: one object per line.
 * - `parquet`: Apache Parquet.
 * - `txt`: one text per line, without columns and labels.
 * - `conll`: one word per line with its tag, a blank line between sentences.
 */
export type DataFormat = 'tsv' | 'csv' | 'jsonl' | 'parquet' | 'txt' | 'conll';

const FORMATS: Readonly<Record<string, DataFormat>> = {
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.csv': 'csv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
  '.txt': 'txt',
  '.conll': 'conll',
};

export const DATA_FORMATS: readonly DataFormat[] = ['tsv', 'csv', 'jsonl', 'parquet', 'txt', 'conll'];

/** Extensions that messages list. */
export const EXTENSIONS: readonly string[] = ['.tsv', '.csv', '.jsonl', '.parquet', '.txt', '.conll'];

/**
 * Returns the format of a file's extension, ignoring `.gz` after it; undefined for another
 * extension.
 */
export function formatNamed(file: string): DataFormat | undefined {
  const extension = path.extname(file.replace(/\.gz$/i, '')).toLowerCase();
  return Object.hasOwn(FORMATS, extension) ? FORMATS[extension] : undefined;
}

/**
 * Returns the format of a file's name.
 * @throws HifiError INVALID_INPUT, with the known formats, for another extension
 */
export function formatOf(file: string): DataFormat {
  const format = formatNamed(file);
  if (format !== undefined) return format;
  throw invalidInput(
    `${file}: the extension is not one of ${EXTENSIONS.join(', ')} (also with .gz); give --format ${DATA_FORMATS.join('|')}`,
  );
}
