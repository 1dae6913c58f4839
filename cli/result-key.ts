import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import { writeWhole } from '../foundation/whole-file';

const keyFile = (result: string) => `${result}.made-of`;

/** Computes a result's key: a hash of its command line and the bytes of its input files. */
export function keyOf(words: readonly string[], files: readonly string[]): string {
  const hash = crypto.createHash('sha256').update(JSON.stringify(words));
  for (const file of files) hash.update(crypto.createHash('sha256').update(fs.readFileSync(file)).digest());
  return hash.digest('hex');
}

/** Returns true if a result's stored key, in a file beside it, is this one. */
export function hasKey(result: string, key: string): boolean {
  return fs.existsSync(keyFile(result)) && fs.readFileSync(keyFile(result), 'utf8') === `${key}\n`;
}

/** Stores a result's key beside it. */
export function storeKey(result: string, key: string): void {
  writeWhole(keyFile(result), `${key}\n`);
}
