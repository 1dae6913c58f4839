import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import * as path from 'node:path';

const entry = path.join(__dirname, '../../cli/hifi.ts');
export const fixtures = path.join(__dirname, '../fixtures');

/** Runs the command to its end. */
export function hifi(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...words], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return { status, stdout, stderr };
}

/** Starts the command; `seen` receives all of its stderr so far after each write. */
export function startHifi(words: string[], seen: (stderr: string, child: ChildProcess) => void) {
  const child = spawn(process.execPath, [entry, ...words], { stdio: ['ignore', 'pipe', 'pipe'], env: process.env });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    seen(stderr, child);
  });
  return new Promise<{ status: number | null; signal: string | null; stderr: string }>((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, stderr }));
  });
}
