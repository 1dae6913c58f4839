import * as fs from 'node:fs';
import * as path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { NamedFile } from '../data/bytes';
import type { DataSource } from '../data/dataset';
import { columnNames } from '../data/row-reader';
import { writing } from '../foundation/disk';
import { cancelled, failed, invalidInput, isNoSpace } from '../foundation/errors';
import { temporaryFolder } from '../foundation/temporary';

/** Path that stands for standard input. */
export const STDIN = '-';

/**
 * Returns a source that can be read more than once, with its column names resolved.
 *
 * @throws HifiError INVALID_INPUT for ambiguous columns; CANCELLED when the signal aborts; FAILED
 *   if the bytes of a pipe cannot be stored
 */
export async function readable(source: DataSource, signal: AbortSignal): Promise<DataSource> {
  const { more } = source;
  const whole: DataSource = { ...source, ...(await spooled(source, signal)) };
  if (more) whole.more = await Promise.all(more.map((each) => spooled(each, signal)));
  const { textColumns, labelColumns } = whole;
  const texts = { flag: '--text-columns', most: 2, right: 'one name, or two with a comma between' };
  const labels = { flag: '--label-columns', most: Number.POSITIVE_INFINITY, right: 'names with commas between' };
  return {
    ...whole,
    ...(textColumns && { textColumns: await splitColumns(textColumns, texts, whole) }),
    ...(labelColumns && { labelColumns: await splitColumns(labelColumns, labels, whole) }),
  };
}

/** Splits a flag's names at commas, unless the whole value is a header. */
async function splitColumns(
  [written, ...others]: string[],
  { flag, most, right }: { flag: string; most: number; right: string },
  source: DataSource,
): Promise<string[]> {
  if (others.length > 0 || !written.includes(',')) return [written, ...others];
  const header = await columnNames(source);
  if (header.includes(written)) return [written];
  const columns = written.split(',').map((name) => name.trim());
  if (columns.length <= most && !columns.includes('') && new Set(columns).size === columns.length) return columns;
  throw invalidInput(
    `${flag} is ${JSON.stringify(written)}; it must be ${right}; ${source.path} has ${header.map((name) => JSON.stringify(name)).join(', ')}`,
  );
}

/**
 * Stores standard input, or any pipe, in a file for the lifetime of this process: a pipe can be
 * read once, but rows are read twice, and by another process. Other files are returned unchanged.
 */
async function spooled({ path: named, file }: NamedFile, signal: AbortSignal): Promise<NamedFile> {
  const standard = named === STDIN;
  if (!standard && !isPipe(named)) return { path: named, ...(file !== undefined && { file }) };
  const { path: folder } = temporaryFolder('stdin');
  const stored = path.join(folder, 'rows');
  const bytes = standard ? process.stdin : fs.createReadStream(named);
  try {
    await writing(stored, () => pipeline(bytes, fs.createWriteStream(stored, { mode: 0o600 }), { signal }));
  } catch (error) {
    if (signal.aborted) throw cancelled();
    if (isNoSpace(error)) throw error;
    throw failed(`${named}: could not be stored in ${folder}: ${(error as Error).message}`, error);
  }
  return { path: standard ? 'stdin' : named, file: stored };
}

/**
 * Checks that standard input is used once. @throws HifiError INVALID_INPUT if two file flags name
 * it
 */
export function checkOneStdin(...files: (readonly [flag: string, file: unknown])[]): void {
  const all = files.flatMap(([flag, given]) => [given].flat().map((file) => [flag, file] as const));
  const [one, other] = all.filter(([, file]) => file === STDIN);
  if (other) throw invalidInput(`${one[0]} and ${other[0]} are both -: standard input is one file`);
}

const isPipe = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.isFIFO() === true;
