import { type ChildProcess, fork } from 'node:child_process';
import * as os from 'node:os';
import { engineLost, type HifiError } from '../foundation/errors';
import { type TemporaryFolder, temporaryFolder } from '../foundation/temporary';
import { Waker } from '../foundation/waker';
import type { FromChild, ToChild } from './engine-child';

/** Length of the stored end of a child's output, in characters: the reason of a crash is there. */
const OUTPUT_LIMIT = 16_384;

/** Options of a child process. */
export interface StartOptions {
  /** Path of the child's module, which calls `serveEngine`: `require.resolve('./child')`. */
  entry: string;
  /** Variables that are added to the parent's environment. */
  env?: Record<string, string>;
  /** Niceness of the child and its threads relative to the parent, 0 … 19. Default: 0. */
  nice?: number;
}

/**
 * Children that have not ended. A stopped child, or one in a long library call, does not notice
 * that its parent ends.
 */
const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** Child process of an engine, as its parent sees it. */
export class EngineProcess {
  /** Settles when the process has ended. */
  readonly gone: Promise<void>;
  private readonly child: ChildProcess;
  private readonly inbox: FromChild[] = [];
  /** Description of its end: `ended with exit code 7: a library gave up`. */
  private end: string | undefined;
  /** Reason for which it was killed; takes precedence over its own end. */
  private killReason: string | undefined;
  private output = '';
  /** True during a call. */
  private busy = false;
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
    // The niceness must be set before the child starts its computing threads, which inherit it.
    if (nice !== undefined) lower(child, nice);
    const keep = (chunk: string) => {
      this.output = (this.output + chunk).slice(-OUTPUT_LIMIT);
    };
    child.stdout?.setEncoding('utf8').on('data', keep);
    child.stderr?.setEncoding('utf8').on('data', keep);
    child.on('message', (message) => {
      this.inbox.push(message as FromChild);
      if ((message as FromChild).type !== 'event') this.busy = false;
      this.waker.wake();
    });
    this.gone = new Promise((resolve) => {
      const ended = (how: string) => {
        living.delete(child);
        this.temporary.remove();
        this.end = this.killReason ?? how;
        resolve();
        this.waker.wake();
      };
      // 'close' follows the last message; 'exit' may precede it.
      child.once('close', (code, signal) => ended(died(code, signal, this.output)));
      child.on('error', (error) => {
        if (child.pid === undefined) ended(`could not be started: ${error.message}`);
      });
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** True once the process has ended. */
  get ended(): boolean {
    return this.end !== undefined;
  }

  /** Starts a call. Output that the child wrote before does not belong to it. */
  begin(id: number, method: string, request: unknown): void {
    this.output = '';
    this.busy = true;
    this.send({ type: 'call', id, method, request });
  }

  /** Sends a message. If the child has died in the meantime, `next` reports its end. */
  send(message: ToChild): void {
    if (this.child.connected) this.child.send(message, () => {});
  }

  /**
   * Returns the next message; undefined once the child has ended.
   *
   * @param silenceMs time without a message after which the child is killed
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

  /**
   * Ends the child: during a call by a message, and after `graceMs` by a kill. A child without a
   * call has nothing to save.
   */
  async stop(graceMs: number): Promise<void> {
    if (!this.busy) this.kill();
    else this.send({ type: 'end' });
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.gone;
    clearTimeout(timer);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Creates the error for a child that ended without a result. */
  lost(method: string): HifiError {
    return engineLost(`the ${method} engine ${this.end}`, this.output);
  }

  private killIfSilent(silenceMs: number): void {
    // If this process itself was paused, the child's waiting messages are processed first.
    setImmediate(() => {
      if (this.inbox.length > 0 || this.ended) return;
      this.killReason = `was silent for ${silenceMs / 1000} s and was ended`;
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

/**
 * Finds the line with the reason: that of an uncaught error, else the last. Lines that Node adds
 * are skipped.
 */
function lastWords(output: string, uncaught: boolean): string | undefined {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(at |Node\.js v|\^+$|-----|\d+: 0x|[{}]$)/.test(line));
  const error = uncaught ? lines.filter((line) => /^\w*Error( \[\w+\])?:/.test(line)).pop() : undefined;
  return error ?? lines.pop();
}
