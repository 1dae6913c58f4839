import { spawn } from 'node:child_process';

/**
 * Runs a command on its own terminal (a pty, by util-linux's `script`). Returns what the terminal
 * shows, which mixes standard output and standard error.
 *
 * @param command for `sh`
 * @param typed keys as one text: `\t` is the Tab key, `\r` Enter
 */
export function onTerminal(
  command: string,
  { typed = '', columns = 200, cwd, env }: { typed?: string; columns?: number; cwd?: string; env?: NodeJS.ProcessEnv },
): Promise<{ status: number | null; shown: string }> {
  const words = ['-qfec', `stty cols ${columns}; ${command}`, '/dev/null'];
  const child = spawn('script', words, { cwd, env: { ...process.env, TERM: 'xterm', ...env } });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  child.stdin.end(typed);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, shown }));
  });
}
