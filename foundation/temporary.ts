import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { failed } from './errors';

/** Signals that end a process unless it listens. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface TemporaryFolder {
  path: string;
  /** Removes the folder with its content. */
  remove(): void;
}

/** Folders that exist. */
const folders = new Set<string>();

/**
 * Creates a folder for temporary files, which may hold a user's rows. Only this user can enter it.
 * It is removed when the process ends, also by an error, a signal or the closing of its terminal.
 *
 * @param purpose part of the folder's name
 * @throws HifiError FAILED if no temporary file can be written
 */
export function temporaryFolder(purpose: string): TemporaryFolder {
  const folder = createFolder(purpose);
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

function createFolder(purpose: string): string {
  const parent = os.tmpdir();
  try {
    return fs.mkdtempSync(path.join(parent, `hifi-${purpose}-`));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw failed(
      `cannot write temporary files in ${parent} (${code}); set TMPDIR to a folder that you can write`,
      error,
    );
  }
}

function remove(folder: string): void {
  try {
    // A process that still writes there may be about to end.
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // The disk is gone or read-only. The process continues, or ends, without the removal.
  }
}

function removeAll(): void {
  for (const folder of folders) remove(folder);
  folders.clear();
}

/** Ends the process as without a listener, unless another listener exists, which then decides. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  removeAll();
  unwatch();
  process.kill(process.pid, signal);
}

function watch(): void {
  process.on('exit', removeAll);
  // Runs before other listeners: a `once` listener is removed before it is called.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function unwatch(): void {
  process.off('exit', removeAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
