import { spawn } from 'node:child_process';
import * as fs from 'node:fs';

/** Output and cost of a whole process. */
export interface Watched {
  seconds: number;
  /** Seconds from the start to the first line on stderr that `seen` accepts; NaN if none did. */
  firstSeconds: number;
  /** Peak resident memory of the process tree, in bytes. */
  peakBytes: number;
  stdout: string;
}

/**
 * Runs a command to its end and observes its process tree.
 *
 * @throws Error with its stderr if its exit status is not 0
 */
export async function watched(
  command: string,
  args: string[],
  seen: (line: string) => boolean = () => true,
): Promise<Watched> {
  const start = performance.now();
  const since = () => (performance.now() - start) / 1000;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, residentBytes(child.pid!));
  }, 20);
  let [stdout, stderr, firstSeconds] = ['', '', Number.NaN];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (Number.isNaN(firstSeconds) && stderr.split('\n').some((line) => line !== '' && seen(line)))
      firstSeconds = since();
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr.slice(-2000)}`);
  return { seconds: since(), firstSeconds, peakBytes, stdout };
}

/** Resident memory of a process tree; 0 if it has ended. */
function residentBytes(pid: number): number {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    const theirs = children.split(' ').filter(Boolean).map(Number);
    return theirs.reduce((sum, child) => sum + residentBytes(child), Number(kibibytes) * 1024);
  } catch {
    return 0;
  }
}
