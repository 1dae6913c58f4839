import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import * as readline from 'node:readline';

/** Process that does one piece of work per line of its stdin and replies with one line. */
export class Candidate {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;

  constructor(
    readonly name: string,
    command: string,
    args: string[],
    env: Record<string, string> = {},
  ) {
    this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr.pipe(process.stderr);
    this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits for the first line, which the process writes when it is ready. */
  ready(): Promise<string> {
    return this.reply();
  }

  /** Requests one piece of work. */
  async request(line: string): Promise<string> {
    this.child.stdin.write(`${line}\n`);
    return this.reply();
  }

  quit(): void {
    this.child.stdin.end('quit\n');
  }

  private async reply(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended`);
    return value;
  }
}

/** Least, median and most of a list of seconds. */
export interface Spread {
  least: number;
  median: number;
  most: number;
}

export function spreadOf(seconds: number[]): Spread {
  const sorted = [...seconds].sort((a, b) => a - b);
  const upper = sorted.length >> 1;
  const median = (sorted[upper] + sorted[(sorted.length - 1) >> 1]) / 2;
  return { least: sorted[0], median, most: sorted[sorted.length - 1] };
}

/** Pause between pieces of work: a thread pool may spin for 200 ms after its work. */
const REST_MILLISECONDS = 300;

/**
 * Runs the same work on all candidates in turn, round after round, so that a drift of the machine
 * affects all alike. Each starts on idle cores.
 *
 * @param work piece of work of one round; returns its seconds
 * @param warmup rounds that are not counted
 */
export async function inTurn<T>(
  candidates: readonly T[],
  work: (candidate: T) => Promise<number>,
  rounds: number,
  warmup: number,
): Promise<Spread[]> {
  const seconds: number[][] = candidates.map(() => []);
  for (let round = -warmup; round < rounds; round++) {
    for (const [i, candidate] of candidates.entries()) {
      await new Promise((resolve) => setTimeout(resolve, REST_MILLISECONDS));
      const taken = await work(candidate);
      if (round >= 0) seconds[i].push(taken);
    }
  }
  return seconds.map(spreadOf);
}
