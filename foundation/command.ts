import { type ChildProcess, spawn } from 'node:child_process';
import { cancelled } from './errors';

/** Result of a command. */
export interface CommandResult {
  /** Exit status; 127 when the command does not exist, 1 when a signal ended it. */
  status: number;
  /** Standard output and standard error together, its last 64 KB. */
  output: string;
}

/** Length of the stored end of a command's output, in characters. */
const OUTPUT_LIMIT = 65_536;

/**
 * Runs a command without a shell and without input. A missing command has status 127.
 *
 * @param options.signal ends the command and its children when it aborts
 * @throws HifiError CANCELLED when `signal` aborts, once the command has ended; nothing else
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string | undefined>; signal?: AbortSignal } = {},
): Promise<CommandResult> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(cancelled());
      return;
    }
    let output = '';
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_LIMIT);
    };
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own can be ended as a whole.
      detached: signal !== undefined,
    });
    const abort = () => endGroup(child);
    signal?.addEventListener('abort', abort, { once: true });
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.on('error', (error: NodeJS.ErrnoException) => {
      signal?.removeEventListener('abort', abort);
      resolve({ status: error.code === 'ENOENT' ? 127 : 126, output: error.message });
    });
    child.on('close', (status) => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(cancelled());
      else resolve({ status: status ?? 1, output });
    });
  });
}

/** Ends a command's process group, with the compilers and installers that it runs. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGTERM');
  } catch {
    // It has already ended.
  }
}

/** Returns the last `count` non-blank lines of a text. */
export function lastLines(text: string, count: number): string[] {
  return text
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '')
    .slice(-count);
}
