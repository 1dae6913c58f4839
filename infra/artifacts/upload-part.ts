import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as fsp from 'node:fs/promises';
import { requireRoom, writing } from '../../foundation/disk';
import { failed, invalidPart } from '../../foundation/errors';

/** Upload that is being received. */
export interface Incoming {
  /** Path that its bytes are written to. */
  part: string;
  /** Path that its bytes move to when the sender is interrupted. */
  rest: string;
  /** Offset at which the sender begins, in bytes. */
  offset: number;
  /** Size of the whole file, in bytes. */
  sizeBytes: number;
}

/**
 * Writes a file's bytes to its part, from `offset` on. If the sender is interrupted or sends too
 * few bytes, the part stays so that another call can resume it. In all other cases the caller
 * removes it.
 *
 * @returns the SHA-256 of all bytes
 * @throws HifiError INVALID_INPUT for more or fewer bytes than announced, or an `offset` that is
 *   not the part's end; DISK_FULL; any error of `chunks`
 */
export async function received(
  { part, rest, offset, sizeBytes }: Incoming,
  chunks: AsyncIterable<Uint8Array>,
): Promise<string> {
  const there = await claimed(rest, part);
  if (offset !== there && offset !== 0) {
    await putBack(part, rest);
    throw invalidPart('offset', `offset is ${offset}; the upload has ${there} bytes, so it must be ${there} or 0`);
  }
  requireRoom(rest, sizeBytes - there);
  const hash = createHash('sha256');
  const handle = await writing(rest, () => fsp.open(part, offset === 0 ? 'w' : 'r+'));
  let size = offset;
  /** True while the sender would be the cause of an error. */
  let sending = false;
  try {
    if (offset > 0)
      for await (const chunk of fs.createReadStream(part, { end: offset - 1 })) hash.update(chunk as Buffer);
    sending = true;
    for await (const chunk of chunks) {
      sending = false;
      if (size + chunk.length > sizeBytes) {
        throw invalidPart('size_bytes', `the upload has more than the ${sizeBytes} bytes announced`);
      }
      hash.update(chunk);
      await writeAll(handle, chunk, size, rest);
      size += chunk.length;
      sending = true;
    }
    if (size < sizeBytes) throw invalidPart('size_bytes', `the upload has ${size} bytes; it must be ${sizeBytes}`);
    return hash.digest('hex');
  } catch (error) {
    if (sending) await putBack(part, rest);
    throw error;
  } finally {
    await handle.close();
  }
}

/** Claims an interrupted upload for this process alone. @returns its bytes; 0 if there is none */
async function claimed(rest: string, part: string): Promise<number> {
  try {
    await fsp.rename(rest, part);
    return sizeOf(part);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Moves an upload, if it has any bytes, to where another call finds it. */
async function putBack(part: string, rest: string): Promise<void> {
  if (sizeOf(part) > 0) await fsp.rename(part, rest);
}

/** Writes a whole chunk: a single system call may write less. */
async function writeAll(handle: fsp.FileHandle, chunk: Uint8Array, position: number, name: string): Promise<void> {
  await writing(name, async () => {
    for (let done = 0; done < chunk.length; )
      done += (await handle.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
  });
}

/**
 * Syncs a file, or the names in a folder, to the disk. Without this a renamed file may be empty
 * after a power failure.
 *
 * @param sizeBytes size of the file
 * @throws HifiError FAILED if the file has another size; DISK_FULL
 */
export async function synced(file: string, sizeBytes?: number): Promise<void> {
  const handle = await fsp.open(file, 'r');
  try {
    await writing(file, () => handle.sync());
    const { size } = await handle.stat();
    if (sizeBytes !== undefined && size !== sizeBytes) {
      throw failed(`${file} has ${size} bytes on the disk; ${sizeBytes} were written`);
    }
  } finally {
    await handle.close();
  }
}

/** Size of a file in bytes; 0 if there is none. */
export const sizeOf = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
