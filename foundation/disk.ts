import * as fs from 'node:fs';
import * as path from 'node:path';
import { failed, isNoSpace, noRoom } from './errors';

/** Most bytes that Linux writes per call: 2 GiB - 4 KiB. */
const WRITE_BYTES = 1 << 30;

/** Bytes that this process may still write to the disk of a path, which need not exist. */
export function freeBytes(place: string): number {
  let folder = path.resolve(place);
  while (!fs.existsSync(folder)) folder = path.dirname(folder);
  const { blocks, bavail, bfree, bsize } = fs.statfsSync(folder);
  // Some file systems, such as those in user space, report no size: 0 blocks.
  if (blocks === 0) return Number.POSITIVE_INFINITY;
  // The superuser alone may use a share of the blocks.
  return (process.getuid?.() === 0 ? bfree : bavail) * bsize;
}

/**
 * Checks that a disk has room for a file before its first byte is written.
 *
 * @param bytes number of bytes still to be written
 * @throws HifiError DISK_FULL
 */
export function requireRoom(file: string, bytes: number): void {
  const free = freeBytes(file);
  if (bytes > free) throw noRoom(`${file} needs ${sizeText(bytes)} of disk space; ${sizeText(free)} are free there`);
}

/**
 * Runs `write`, which writes a file synchronously or asynchronously. Adds the file's name and the
 * free space to the error of a full disk, which the system does not report. A size limit of the
 * process is not a full disk: freed room does not lift it, so no caller waits for that.
 *
 * @throws HifiError DISK_FULL; FAILED if the file would exceed `ulimit -f`; any other error of
 *   `write`
 */
export function writing<T>(file: string, write: () => T): T {
  const named = (error: unknown) => {
    if (isTooLarge(error)) {
      return failed(`${file} cannot be written: it would exceed this process's file size limit (ulimit -f)`, error);
    }
    return isNoSpace(error) ? fullDisk(file, error as NodeJS.ErrnoException) : error;
  };
  try {
    const written = write();
    if (!isPromise(written)) return written;
    return written.then(undefined, (error) => {
      throw named(error);
    }) as T;
  } catch (error) {
    throw named(error);
  }
}

/**
 * Writes all of `bytes`: a single system call may write less, and does so on a disk that fills.
 *
 * @param file its name, for errors
 * @param position in bytes from the file's start; by default the end of the last write
 * @throws HifiError DISK_FULL
 */
export function writeFully(descriptor: number, bytes: Uint8Array, file: string, position?: number): void {
  writing(file, () => {
    for (let done = 0; done < bytes.byteLength; ) {
      const length = Math.min(WRITE_BYTES, bytes.byteLength - done);
      done += fs.writeSync(descriptor, bytes, done, length, position === undefined ? null : position + done);
    }
  });
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';

const isTooLarge = (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code === 'EFBIG';

function fullDisk(file: string, error: NodeJS.ErrnoException) {
  if (error.name === 'HifiError') return error;
  const isQuota = error.code === 'EDQUOT';
  const reason = isQuota
    ? "the user's disk quota is used up"
    : `its disk is full, with ${sizeText(freeBytes(file))} free`;
  return noRoom(`${file} cannot be written: ${reason}`, error);
}

/** Formats a size as `1.2 MB`; 1 MB is 10⁶ bytes. */
function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${['kB', 'MB', 'GB'][power - 1]}`;
}
