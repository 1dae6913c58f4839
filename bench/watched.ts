import { spawn } from 'node:child_process';
import * as fs from 'node:fs';

/** What a whole process did. */
export interface Watched {
  seconds: number;
  /** From its start to the first line on stderr that `seen` accepts; NaN if none did. */
  firstSeconds: number;
  /** Peaks of resident memory of it and of all it started, added up, in bytes. */
  peakBytes: number;
  stdout: string;
}

/**
 * Runs a command to its end, and looks at its process tree meanwhile.
 * @throws Error with its stderr where it ends with another status than 0
 */
export async function watched(
  command: string,
  args: string[],
  seen: (line: string) => boolean = () => true,
): Promise<Watched> {
  const start = performance.now();
  const since = () => (performance.now() - start) / 1000;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const peaks = new Map<number, number>();
  const timer = setInterval(() => look(child.pid!, peaks), 20);
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
  const peakBytes = [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
  return { seconds: since(), firstSeconds, peakBytes, stdout };
}

/** Notes the peak of a process and of those it started. */
function look(pid: number, peaks: Map<number, number>): void {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (kibibytes) peaks.set(pid, Number(kibibytes) * 1024);
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    for (const each of children.split(' ').filter(Boolean)) look(Number(each), peaks);
  } catch {
    // It has ended.
  }
}
