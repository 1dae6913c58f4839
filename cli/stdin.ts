import * as fs from 'node:fs';
import * as path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { DataSource } from '../data/dataset';
import { cancelled, failed, invalidInput, isNoSpace } from '../errors';
import { writing } from '../files/disk';
import { temporaryFolder } from '../infra/temporary';

/** Standard input, in the place of a file's path. */
export const STDIN = '-';

/**
 * Standard input, and any pipe, can be read once: rows are read more than once, and by another process. So its bytes are put
 * into a file for as long as this process lives. Other sources are given back as they are.
 *
 * @throws HifiError CANCELLED when the signal aborts; FAILED when the bytes cannot be kept
 */
export async function spooled(source: DataSource, signal: AbortSignal): Promise<DataSource> {
  const standard = source.path === STDIN;
  if (!standard && !isPipe(source.path)) return source;
  const { path: folder } = temporaryFolder('stdin');
  const file = path.join(folder, 'rows');
  const bytes = standard ? process.stdin : fs.createReadStream(source.path);
  try {
    await writing(file, () => pipeline(bytes, fs.createWriteStream(file, { mode: 0o600 }), { signal }));
  } catch (error) {
    if (signal.aborted) throw cancelled();
    if (isNoSpace(error)) throw error;
    throw failed(`${source.path}: could not be kept in ${folder}: ${(error as Error).message}`, error);
  }
  return { ...source, path: standard ? 'stdin' : source.path, file };
}

/** @throws HifiError INVALID_INPUT where two flags' files are both said to be standard input */
export function checkOneStdin(...files: (readonly [flag: string, file: unknown])[]): void {
  const [one, other] = files.filter(([, file]) => file === STDIN);
  if (other) throw invalidInput(`${one[0]} and ${other[0]} are both -: standard input is one file`);
}

const isPipe = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.isFIFO() === true;
