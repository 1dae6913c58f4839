import type { Hash } from 'node:crypto';
import * as fs from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { invalidInput, isNoDescriptor } from '../foundation/errors';
import { otherKind } from '../foundation/regular-file';
import { nearestSibling } from './nearest';

/** File, with its name in messages. */
export interface NamedFile {
  /** Name of the file in messages. It is the path, unless `file` is given. */
  path: string;
  /**
   * Path of the bytes, if not `path`. Standard input is stored in a file, because it is read more
   * than once.
   */
  file?: string;
}

/** Number of bytes that one read requests. */
const CHUNK = 1 << 18;

/**
 * Reads a file chunk by chunk and unpacks gzip.
 * @param hash is updated with the bytes of the file, before they are unpacked
 * @throws HifiError INVALID_INPUT if the file is missing, unreadable, or gzipped and damaged
 */
export async function* readBytes(source: NamedFile, hash?: Hash): AsyncGenerator<Buffer> {
  const handle = await openFile(source);
  try {
    const packed = rawBytes(source, handle, hash);
    const first = await packed.next();
    if (first.done) return;
    if (isGzip(first.value)) {
      yield* unpacked(source, startingWith(first.value, packed));
    } else {
      if (/\.gz$/i.test(source.path)) throw invalidInput(`${source.path}: is named .gz but is not gzipped`);
      yield first.value;
      yield* packed;
    }
  } finally {
    // Waits for a pending read. No stream owns the descriptor: a stream that never starts would
    // never close it.
    await handle.close();
  }
}

/**
 * Opens a file for reading; the caller closes it.
 * @throws HifiError INVALID_INPUT if it is missing, not a file, or unreadable
 */
export async function openFile(source: NamedFile): Promise<fs.promises.FileHandle> {
  checkFile(source);
  try {
    return await fs.promises.open(source.file ?? source.path);
  } catch (error) {
    throw unreadable(source.path, error as NodeJS.ErrnoException);
  }
}

async function* rawBytes({ path }: NamedFile, handle: fs.promises.FileHandle, hash?: Hash): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = Buffer.allocUnsafe(CHUNK);
    let bytesRead: number;
    try {
      ({ bytesRead } = await handle.read(chunk, 0, CHUNK));
    } catch (error) {
      throw unreadable(path, error as NodeJS.ErrnoException);
    }
    if (bytesRead === 0) return;
    const bytes = chunk.subarray(0, bytesRead);
    hash?.update(bytes);
    yield bytes;
  }
}

/** First two bytes of gzip. UTF-8 never begins with them, so no text is mistaken for gzip. */
const isGzip = (bytes: Buffer) => bytes[0] === 0x1f && bytes[1] === 0x8b;

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function* unpacked(source: NamedFile, packed: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK });
  // The loop below throws the errors.
  pipeline(Readable.from(packed, { objectMode: false }), gunzip, () => {});
  try {
    yield* gunzip;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('Z_')) throw error;
    const what = code === 'Z_BUF_ERROR' ? 'the gzip file is truncated' : `the gzip file is damaged (${message})`;
    throw invalidInput(`${source.path}: ${what}`, error);
  }
}

/** Checks that a regular file exists. @throws HifiError INVALID_INPUT if not */
export function checkFile({ path, file = path }: NamedFile): void {
  let stat: fs.Stats;
  try {
    stat = fs.statSync(file);
  } catch (error) {
    throw unreadable(path, error as NodeJS.ErrnoException);
  }
  const kind = otherKind(stat);
  if (kind !== undefined) throw invalidInput(`${path}: is ${kind}; it must be a regular file, which is read twice`);
}

function unreadable(path: string, error: NodeJS.ErrnoException): Error {
  if (isNoDescriptor(error)) return error;
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
    return invalidInput(`${path}: no such file${nearestSibling(path)}`, error);
  }
  return invalidInput(`${path}: cannot be read (${error.code ?? String(error)})`, error);
}
