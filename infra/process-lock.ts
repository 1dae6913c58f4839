import * as fs from 'node:fs';
import { invalidInput } from '../errors';

/**
 * Takes a folder for this process alone, until it ends. A lock that a process left when it was killed is taken over.
 *
 * @param file the lock; its folder is there
 * @param what is locked, and what else could be given, for the message
 * @returns gives it back
 * @throws HifiError INVALID_INPUT where a living process holds it
 */
export function lockFor(file: string, what: string, otherwise = 'another --state-dir'): () => void {
  const own = identityOf('self');
  const beside = `${file}.${process.pid}`;
  fs.writeFileSync(beside, own);
  try {
    for (;;) {
      if (linked(beside, file)) return () => fs.rmSync(file, { force: true });
      const holder = contentOf(file);
      if (holder === undefined) continue;
      const [pid] = holder.split(' ');
      if (holder !== own && identityOf(pid) === holder) {
        throw invalidInput(`${what} is in use by process ${pid}: end that one first, or give ${otherwise}`);
      }
      fs.rmSync(file, { force: true });
    }
  } finally {
    fs.rmSync(beside, { force: true });
  }
}

/** A process that is there: its id, and when it was started, so that another one with its id is not taken for it. */
function identityOf(process: string): string {
  const stat = contentOf(`/proc/${process}/stat`);
  if (stat === undefined) return '';
  // The command, in brackets, may hold anything: fields are counted behind it; the start is the 22nd of all.
  const [pid] = stat.split(' ');
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // One that was killed and whose end nobody has asked for yet holds nothing.
  return state === 'Z' || state === 'X' ? '' : `${pid} ${fields[18]}`;
}

function contentOf(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns whether `to` was free; it appears with its content */
function linked(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
