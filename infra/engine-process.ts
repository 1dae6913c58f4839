import { type ChildProcess, fork } from 'node:child_process';
import * as os from 'node:os';
import { engineLost, type HifiError } from '../foundation/errors';
import { type TemporaryFolder, temporaryFolder } from '../foundation/temporary';
import { Waker } from '../foundation/waker';
import type { FromChild, ToChild } from './engine-child';

/** What is kept of what a child writes, in characters: the reason of a crash is at its end. */
const OUTPUT_KEPT = 16_384;

/** How a child is started. */
export interface StartOptions {
  /** The child's file, which calls `serveEngine`: `require.resolve('./child')`. */
  entry: string;
  /** Added to the parent's environment. */
  env?: Record<string, string>;
  /** Niceness of the child and its threads above the parent's, 0 … 19. Default: 0. */
  nice?: number;
}

/** Children that are not gone. One that is stopped, or deaf in a library's call, does not hear that its parent ends. */
const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** One child process of an engine, as its parent sees it. */
export class EngineProcess {
  /** Settles when the process is gone. */
  readonly gone: Promise<void>;
  private readonly child: ChildProcess;
  private readonly inbox: FromChild[] = [];
  /** How it ended, in words: `ended with exit code 7: a library gave up`. */
  private end: string | undefined;
  /** Why it was killed, where its own end would not tell. */
  private sentence: string | undefined;
  private output = '';
  private readonly waker = new Waker();
  /** Folder of the child's temporary files, removed when the child ends in any way. */
  private readonly temporary: TemporaryFolder;

  constructor({ entry, env, nice }: StartOptions) {
    this.temporary = temporaryFolder('engine');
    this.child = fork(entry, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...env, TMPDIR: this.temporary.path },
      execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    });
    const { child } = this;
    living.add(child);
    // Before the child starts the threads that compute: they inherit it.
    if (nice !== undefined) lower(child, nice);
    const keep = (chunk: string) => {
      this.output = (this.output + chunk).slice(-OUTPUT_KEPT);
    };
    child.stdout?.setEncoding('utf8').on('data', keep);
    child.stderr?.setEncoding('utf8').on('data', keep);
    child.on('message', (message) => {
      this.inbox.push(message as FromChild);
      this.waker.wake();
    });
    this.gone = new Promise((resolve) => {
      const ended = (how: string) => {
        living.delete(child);
        this.temporary.remove();
        this.end = this.sentence ?? how;
        resolve();
        this.waker.wake();
      };
      // 'close' comes after the last message; 'exit' may come before it.
      child.once('close', (code, signal) => ended(died(code, signal, this.output)));
      child.on('error', (error) => {
        if (child.pid === undefined) ended(`could not be started: ${error.message}`);
      });
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Whether it is gone. */
  get ended(): boolean {
    return this.end !== undefined;
  }

  /** Begins a call; what the child has written before has nothing to do with it. */
  begin(id: number, method: string, request: unknown): void {
    this.output = '';
    this.tell({ type: 'call', id, method, request });
  }

  /** Sends to a child that may have died meanwhile: then its end tells. */
  tell(message: ToChild): void {
    if (this.child.connected) this.child.send(message, () => {});
  }

  /**
   * The next message; undefined once the child is gone.
   *
   * @param silenceMs a child that says nothing for that long is killed
   */
  async next(silenceMs?: number): Promise<FromChild | undefined> {
    let timer: NodeJS.Timeout | undefined;
    if (silenceMs !== undefined && this.inbox.length === 0) {
      timer = setTimeout(() => this.killIfSilent(silenceMs), silenceMs);
    }
    while (this.inbox.length === 0 && !this.ended) await this.waker.sleep();
    clearTimeout(timer);
    return this.inbox.shift();
  }

  /** Tells the child to end, and sees to it that it does. */
  async stop(graceMs: number): Promise<void> {
    this.tell({ type: 'end' });
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.gone;
    clearTimeout(timer);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** The error for a child that ended without a result. */
  lost(method: string): HifiError {
    return engineLost(`the ${method} engine ${this.end}`, this.output);
  }

  private killIfSilent(silenceMs: number): void {
    // Where it was this process that stood still, the child's messages are heard first.
    setImmediate(() => {
      if (this.inbox.length > 0 || this.ended) return;
      this.sentence = `was silent for ${silenceMs / 1000} s and was ended`;
      this.kill();
    });
  }
}

/**
 * Lowers a child's priority below this process, which may itself be lowered: only root may raise a
 * priority. If the system does not permit it, the child keeps its parent's priority.
 */
function lower({ pid }: ChildProcess, by: number): void {
  if (pid === undefined) return;
  try {
    os.setPriority(pid, Math.min(os.getPriority() + by, os.constants.priority.PRIORITY_LOW));
  } catch {
    // The child has ended already, or this user may not change it.
  }
}

/** The end of a child in words: `ended with exit code 7: a library gave up`. */
export function died(code: number | null, signal: string | null, output: string): string {
  const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
  const hint = signal === 'SIGKILL' ? ' (the system may be out of memory)' : '';
  const last = lastWords(output, signal === null);
  return `${how}${hint}${last ? `: ${last}` : ''}`;
}

/** The line that names the reason: that of an uncaught error, else the last, leaving out what Node puts around it. */
function lastWords(output: string, uncaught: boolean): string | undefined {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(at |Node\.js v|\^+$|-----|\d+: 0x|[{}]$)/.test(line));
  const error = uncaught ? lines.filter((line) => /^\w*Error( \[\w+\])?:/.test(line)).pop() : undefined;
  return error ?? lines.pop();
}
