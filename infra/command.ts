import { spawn } from 'node:child_process';

/** How a command ended, with what it wrote. */
export interface CommandResult {
  /** Exit status; 127 when the command does not exist, 1 when a signal ended it. */
  status: number;
  /** Standard output and standard error together, its last 64 KB. */
  output: string;
}

/** What is kept of a command's output, in characters. */
const OUTPUT_KEPT = 65_536;

/** Runs a command without a shell and without input. Never throws: a command that is not there has status 127. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string | undefined> } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = '';
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_KEPT);
    };
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: error.code === 'ENOENT' ? 127 : 126, output: error.message }),
    );
    child.on('close', (status) => resolve({ status: status ?? 1, output }));
  });
}

/** The last `count` lines of a text that say something. */
export function lastLines(text: string, count: number): string[] {
  return text
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '')
    .slice(-count);
}
