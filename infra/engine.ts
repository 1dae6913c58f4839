import { cancelled, engineLost, HifiError } from '../foundation/errors';
import { unlessAborted } from '../foundation/unless-aborted';
import type { FromChild } from './engine-child';
import { EngineProcess, type StartOptions } from './engine-process';

/** How an engine's process is looked after, where a service has many. */
export interface ProcessOptions extends Pick<StartOptions, 'nice'> {
  /**
   * Milliseconds for which a child may say nothing during a call before it is taken for hung and killed; it must be more than
   * the longest step. Without it a child may be silent for ever.
   */
  silenceMs?: number;
}

export interface EngineOptions extends StartOptions, ProcessOptions {
  /** How long the child may take to end a call, or itself, when told to, in milliseconds; by default a minute. */
  graceMs?: number;
  /** A child without a call is ended after so many milliseconds, which frees its memory; by default it stays. */
  idleMs?: number;
}

/** One call of a method, in a child process of its own. */
export interface EngineCall extends Omit<EngineOptions, 'idleMs'> {
  method: string;
  request: unknown;
  signal?: AbortSignal;
}

/**
 * How long a child may take to end when told to, in milliseconds; then it is killed. It covers a step of a large model
 * and the saving of what a training has reached. A parent that goes before takes its child along.
 */
const GRACE_MS = 60_000;

/**
 * Runs one method of an engine in a child process and yields its events in order. The child is gone when this ends,
 * however it ends: by its result, an error, `signal`, or the reader's leaving (`break`).
 *
 * @returns the method's result
 * @throws HifiError as {@link Engine.call}
 */
export async function* callEngine<Event, Result>(call: EngineCall): AsyncGenerator<Event, Result> {
  const { method, request, signal, ...options } = call;
  const engine = new Engine(options);
  try {
    return yield* engine.call<Event, Result>(method, request, signal);
  } finally {
    await engine.close();
  }
}

/** An engine whose child process stays for the next call, with what it has loaded. */
export class Engine {
  private child: EngineProcess | undefined;
  /** Settles when the calls before are over. */
  private turn: Promise<void> = Promise.resolve();
  /** Settles when the children that were told to end are gone. */
  private gone: Promise<unknown> = Promise.resolve();
  private idle: NodeJS.Timeout | undefined;
  private calls = 0;
  private closed = false;

  constructor(private readonly options: EngineOptions) {}

  /** Of the child; undefined where there is none. */
  get pid(): number | undefined {
    return this.child?.ended ? undefined : this.child?.pid;
  }

  /**
   * Runs one method and yields its events in order. One call runs at a time, a second waits for it. The child is started if
   * there is none, and stays; where a call was cancelled, it stays if it has ended the call within `graceMs`.
   *
   * @returns the method's result
   * @throws HifiError the method's own error with its code; CANCELLED when `signal` aborts; ENGINE_LOST when the child dies, with
   *   the signal or exit code and the last line that it wrote, when it was silent for too long, and when the engine is closed
   */
  async *call<Event, Result>(method: string, request: unknown, signal?: AbortSignal): AsyncGenerator<Event, Result> {
    const over = await this.begin(method, signal);
    try {
      return yield* this.run<Event, Result>(this.running(), method, request, signal);
    } finally {
      this.rest();
      over();
    }
  }

  /** Ends the child, and with it a call that runs; there are no calls after that. It is gone when this settles. */
  async close(): Promise<void> {
    this.closed = true;
    this.end();
    await this.gone;
  }

  /** Waits for the calls before. @returns what is to be called when this one is over */
  private async begin(method: string, signal?: AbortSignal): Promise<() => void> {
    const before = this.turn;
    let over = () => {};
    const own = new Promise<void>((resolve) => {
      over = resolve;
    });
    this.turn = before.then(() => own);
    try {
      await unlessAborted(before, signal).catch(() => {
        throw cancelled();
      });
      if (this.closed) throw closed(method);
      return over;
    } catch (error) {
      over();
      throw error;
    }
  }

  /** The child, alive as far as is known. */
  private running(): EngineProcess {
    clearTimeout(this.idle);
    if (this.child === undefined || this.child.ended) this.child = new EngineProcess(this.options);
    return this.child;
  }

  private async *run<Event, Result>(
    child: EngineProcess,
    method: string,
    request: unknown,
    signal?: AbortSignal,
  ): AsyncGenerator<Event, Result> {
    const { graceMs = GRACE_MS, silenceMs } = this.options;
    const id = this.calls++;
    let killing: NodeJS.Timeout | undefined;
    const abort = () => {
      child.tell({ type: 'abort', id });
      killing ??= setTimeout(() => child.kill(), graceMs);
    };
    let running = false;
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) throw cancelled();
      child.begin(id, method, request);
      running = true;
      for (;;) {
        const message = await child.next(silenceMs);
        if (message?.type === 'event') {
          yield message.event as Event;
          child.tell({ type: 'taken', id });
          continue;
        }
        running = false;
        if (signal?.aborted) throw cancelled();
        if (this.closed) throw closed(method);
        if (message === undefined) throw child.lost(method);
        if (message.type === 'result') return message.result as Result;
        throw crossed(message);
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      if (running) {
        // The reader has left: what is still told reaches nobody.
        abort();
        while ((await child.next(silenceMs))?.type === 'event');
      }
      clearTimeout(killing);
    }
  }

  /** A call is over. */
  private rest(): void {
    if (this.child?.ended) this.child = undefined;
    const { idleMs } = this.options;
    if (this.child && idleMs !== undefined) this.idle = setTimeout(() => this.end(), idleMs).unref();
  }

  /** Tells the child to end; the next call has another one. */
  private end(): void {
    clearTimeout(this.idle);
    if (this.child) this.gone = Promise.all([this.gone, this.child.stop(this.options.graceMs ?? GRACE_MS)]);
    this.child = undefined;
  }
}

/** The child's error as the parent's. */
export function crossed({ code, message, part, trace }: FromChild & { type: 'error' }): HifiError {
  return Object.assign(new HifiError(code, message, `in the child process: ${trace}`), part);
}

const closed = (method: string) => engineLost(`the ${method} engine was closed`);
