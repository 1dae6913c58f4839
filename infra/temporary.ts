import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { failed } from '../errors';

/** What ends a process unless it listens. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface TemporaryFolder {
  path: string;
  /** Removes it with all that is in it. */
  remove(): void;
}

/** Those that are there. */
const folders = new Set<string>();

/**
 * Makes a folder for temporary files, which may hold a user's rows: only this user can enter it, and it is gone when the process
 * is, also where an error, a signal or the closing of its terminal ends it.
 *
 * @param purpose the folder's name holds it
 * @throws HifiError FAILED where no temporary file can be written
 */
export function temporaryFolder(purpose: string): TemporaryFolder {
  const folder = made(purpose);
  if (folders.size === 0) watch();
  folders.add(folder);
  return {
    path: folder,
    remove() {
      remove(folder);
      if (folders.delete(folder) && folders.size === 0) unwatch();
    },
  };
}

function made(purpose: string): string {
  const parent = os.tmpdir();
  try {
    return fs.mkdtempSync(path.join(parent, `hifi-${purpose}-`));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw failed(`no temporary file can be written in ${parent} (${code}): set TMPDIR to a folder of your own`, error);
  }
}

function remove(folder: string): void {
  try {
    // Whoever still writes in it may be ending just now.
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // A disk that has gone, or that has become read-only. A process goes on, or ends, without it.
  }
}

function removeAll(): void {
  for (const folder of folders) remove(folder);
  folders.clear();
}

/** Does what the process would do that does not listen, unless somebody else listens too: then the end is theirs to decide. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  removeAll();
  unwatch();
  process.kill(process.pid, signal);
}

function watch(): void {
  process.on('exit', removeAll);
  // First of all: a listener that listens once is taken away before it is called.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function unwatch(): void {
  process.off('exit', removeAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
