import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { invalidInput } from './errors';
import { openRegularFile } from './regular-file';

/**
 * SHA-256 of a file in hexadecimal, read as a stream.
 * @throws HifiError INVALID_INPUT if it is missing or not regular
 */
export async function sha256OfFile(file: string): Promise<string> {
  const found = await sha256IfThere(file);
  if (found === undefined) throw invalidInput(`${file}: no such file`);
  return found;
}

/** {@link sha256OfFile}; undefined if there is no such file. */
export async function sha256IfThere(file: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  const fd = openRegularFile(file);
  if (fd === undefined) return undefined;
  for await (const chunk of fs.createReadStream(file, { fd, highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** SHA-256 of bytes or of a text in UTF-8, in hexadecimal. */
export const sha256Of = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');
