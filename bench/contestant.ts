import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import * as readline from 'node:readline';

/** A process that does one piece of work a line on its stdin and answers with a line. */
export class Contestant {
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

  /** Waits for the line that says that it is ready. */
  ready(): Promise<string> {
    return this.answer();
  }

  /** One piece of work. */
  async ask(line: string): Promise<string> {
    this.child.stdin.write(`${line}\n`);
    return this.answer();
  }

  quit(): void {
    this.child.stdin.end('quit\n');
  }

  private async answer(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended`);
    return value;
  }
}

/** Least, median and most of some seconds. */
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

/** Between two pieces of work: a thread pool may spin for 200 ms after its work, on the cores of the next contestant. */
const REST_MILLISECONDS = 300;

/**
 * Runs the same work on all contestants in turn, round after round, so that a drift of the machine meets all alike; each begins
 * on idle cores.
 *
 * @param work one round's piece of work: its seconds
 * @param warmup rounds that do not count
 */
export async function inTurn<T>(
  contestants: readonly T[],
  work: (contestant: T) => Promise<number>,
  rounds: number,
  warmup: number,
): Promise<Spread[]> {
  const seconds: number[][] = contestants.map(() => []);
  for (let round = -warmup; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      await new Promise((resolve) => setTimeout(resolve, REST_MILLISECONDS));
      const taken = await work(contestant);
      if (round >= 0) seconds[i].push(taken);
    }
  }
  return seconds.map(spreadOf);
}
