import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as fsp from 'node:fs/promises';
import { failed, invalidInput } from '../errors';
import { requireRoom, writing } from '../files/disk';

/** A file that is coming in. */
export interface Incoming {
  /** Where its bytes are written. */
  part: string;
  /** Where they rest when the sender is cut off. */
  rest: string;
  /** Where the sender begins. */
  offset: number;
  /** Bytes of the whole file. */
  sizeBytes: number;
}

/**
 * Writes a file's bytes to its part, from `offset` on. Where the sender is cut off or sends too few, the part rests, so that
 * another call goes on there; in all other cases it is the caller's to remove.
 *
 * @returns the SHA-256 of all its bytes
 * @throws HifiError INVALID_INPUT for more or fewer bytes than was said, or an `offset` that is not where the part ends; DISK_FULL;
 *   what `chunks` throws
 */
export async function received(
  { part, rest, offset, sizeBytes }: Incoming,
  chunks: AsyncIterable<Uint8Array>,
): Promise<string> {
  const there = await claimed(rest, part);
  if (offset !== there && offset !== 0) {
    await putBack(part, rest);
    throw invalidInput(`offset is ${offset}; the upload stands at ${there}, so it must be that or 0`);
  }
  requireRoom(rest, sizeBytes - there);
  const hash = createHash('sha256');
  const handle = await writing(rest, () => fsp.open(part, offset === 0 ? 'w' : 'r+'));
  let size = offset;
  /** Whether an error would be the sender's. */
  let sending = false;
  try {
    if (offset > 0)
      for await (const chunk of fs.createReadStream(part, { end: offset - 1 })) hash.update(chunk as Buffer);
    sending = true;
    for await (const chunk of chunks) {
      sending = false;
      if (size + chunk.length > sizeBytes) {
        throw invalidInput(`the upload has more than the ${sizeBytes} bytes that were said`);
      }
      hash.update(chunk);
      await writeAll(handle, chunk, size, rest);
      size += chunk.length;
      sending = true;
    }
    if (size < sizeBytes) throw invalidInput(`the upload has ${size} bytes; it must be ${sizeBytes}`);
    return hash.digest('hex');
  } catch (error) {
    if (sending) await putBack(part, rest);
    throw error;
  } finally {
    await handle.close();
  }
}

/** Takes an upload that rests, for this process alone. @returns its bytes; 0 where there is none */
async function claimed(rest: string, part: string): Promise<number> {
  try {
    await fsp.rename(rest, part);
    return sizeOf(part);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Lets an upload rest where another call finds it; there may be none. */
async function putBack(part: string, rest: string): Promise<void> {
  if (sizeOf(part) > 0) await fsp.rename(part, rest);
}

/** Writes a whole piece: one call of the system may write less. */
async function writeAll(handle: fsp.FileHandle, chunk: Uint8Array, position: number, name: string): Promise<void> {
  await writing(name, async () => {
    for (let done = 0; done < chunk.length; )
      done += (await handle.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
  });
}

/**
 * Waits until a file, or a folder's names, are on the disk: after a power failure a renamed file may else be empty.
 *
 * @param sizeBytes of the file
 * @throws HifiError FAILED where the file has another size; DISK_FULL
 */
export async function synced(place: string, sizeBytes?: number): Promise<void> {
  const handle = await fsp.open(place, 'r');
  try {
    await writing(place, () => handle.sync());
    const { size } = await handle.stat();
    if (sizeBytes !== undefined && size !== sizeBytes) {
      throw failed(`${place} has ${size} bytes on the disk; ${sizeBytes} were written`);
    }
  } finally {
    await handle.close();
  }
}

/** Bytes of a file; 0 where there is none. */
export const sizeOf = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
