import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import { writeWhole } from '../foundation/whole-file';

const note = (result: string) => `${result}.made-of`;

/** What a result is made of, as one hash: the words of its command and the bytes of the files that it reads. */
export function keyOf(words: readonly string[], files: readonly string[]): string {
  const hash = crypto.createHash('sha256').update(JSON.stringify(words));
  for (const file of files) hash.update(crypto.createHash('sha256').update(fs.readFileSync(file)).digest());
  return hash.digest('hex');
}

/** Whether a result was noted, in a file beside it, to be made of the same. */
export function isMadeOf(result: string, key: string): boolean {
  return fs.existsSync(note(result)) && fs.readFileSync(note(result), 'utf8') === `${key}\n`;
}

/** Notes beside a result what it is made of. */
export function noteMadeOf(result: string, key: string): void {
  writeWhole(note(result), `${key}\n`);
}
