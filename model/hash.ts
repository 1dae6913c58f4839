import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { invalidInput } from '../errors';
import { openRegularFile } from './regular-file';

/** Hex SHA-256 of a file, read as a stream. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  const fd = openRegularFile(file);
  if (fd === undefined) throw invalidInput(`${file}: no such file`);
  for await (const chunk of fs.createReadStream(file, { fd, highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
