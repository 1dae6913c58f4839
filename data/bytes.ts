import type { Hash } from 'node:crypto';
import * as fs from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { invalidInput } from '../errors';
import { nearestSibling } from './nearest';

/** A file and what to call it. */
export interface NamedFile {
  /** What messages call it: its path, unless `file` is given. */
  path: string;
  /** Where its bytes lie, if not at `path`: standard input is kept in a file, as it is read more than once. */
  file?: string;
}

/** Bytes read at once. */
const CHUNK = 1 << 18;

/**
 * The bytes of a file, a piece at a time; unpacked where they are gzipped.
 * @param hash is given the bytes as they lie there
 * @throws HifiError INVALID_INPUT when the file is missing, unreadable, or gzipped and damaged
 */
export async function* readBytes(source: NamedFile, hash?: Hash): AsyncGenerator<Buffer> {
  checkFile(source);
  const packed = rawBytes(source, hash);
  const first = await packed.next();
  if (first.done) return;
  const all = Readable.from(startingWith(first.value, packed), { objectMode: false });
  // UTF-8 never begins with these two bytes: no text is taken for gzip.
  const gzipped = first.value[0] === 0x1f && first.value[1] === 0x8b;
  if (!gzipped) {
    if (/\.gz$/i.test(source.path)) throw invalidInput(`${source.path}: is named .gz but is not gzipped`);
    yield first.value;
    yield* packed;
    return;
  }
  const unpacked = createGunzip({ chunkSize: CHUNK });
  pipeline(all, unpacked, () => {}); // what goes wrong is thrown below
  try {
    yield* unpacked;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('Z_')) throw error;
    const what = code === 'Z_BUF_ERROR' ? 'the gzip file is cut off' : `the gzip file is damaged (${message})`;
    throw invalidInput(`${source.path}: ${what}`, error);
  }
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function* rawBytes({ path, file = path }: NamedFile, hash?: Hash): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of fs.createReadStream(file, { highWaterMark: CHUNK })) {
      hash?.update(chunk as Buffer);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw unreadable(path, error as NodeJS.ErrnoException);
  }
}

/** @throws HifiError INVALID_INPUT when it is not there or not a file */
export function checkFile({ path, file = path }: NamedFile): void {
  let stat: fs.Stats;
  try {
    stat = fs.statSync(file);
  } catch (error) {
    throw unreadable(path, error as NodeJS.ErrnoException);
  }
  if (stat.isDirectory()) throw invalidInput(`${path}: is a folder, not a file`);
  if (!stat.isFile()) throw invalidInput(`${path}: is a pipe or a device, which cannot be read twice; give a file`);
}

function unreadable(path: string, error: NodeJS.ErrnoException) {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
    return invalidInput(`${path}: no such file${nearestSibling(path)}`, error);
  }
  return invalidInput(`${path}: cannot be read (${error.code ?? String(error)})`, error);
}
