import { cancelled, engineLost, HifiError } from '../foundation/errors';
import { unlessAborted } from '../foundation/unless-aborted';
import type { Crossing } from './engine-child';
import { EngineProcess, type StartOptions } from './engine-process';

/** Supervision of an engine's process, set by a service for all its engines. */
export interface ProcessOptions extends Pick<StartOptions, 'nice'> {
  /**
   * Longest silence of a child during a call, in milliseconds; then it counts as hung and is
   * killed. It must exceed the longest step. Default: no limit.
   */
  silenceMs?: number;
}

export interface EngineOptions extends StartOptions, ProcessOptions {
  /**
   * Time in which the child must end a cancelled call, or itself, in milliseconds. Default: a
   * minute.
   */
  graceMs?: number;
  /**
   * Idle time after which the child ends, which frees its memory, in milliseconds. Default: never.
   */
  idleMs?: number;
}

/** Child in which a call runs; a child for another one is replaced before the call. */
export interface ChildFor {
  /** Further variables of the child's environment. */
  env?: Record<string, string>;
  /** Subject of the calls, whose data the child may hold in memory: a model and its device. */
  subject?: string;
}

/** Call of a method in its own child process. */
export interface EngineCall extends Omit<EngineOptions, 'idleMs'> {
  method: string;
  request: unknown;
  signal?: AbortSignal;
}

/**
 * Time in which a child must end on request, in milliseconds; then it is killed. It covers a step
 * of a large model and the saving of a checkpoint. A parent that ends earlier kills its child.
 */
const GRACE_MS = 60_000;

/**
 * Runs one method of an engine in a child process and yields its events in order. The child has
 * ended when this generator ends, whether by its result, an error, `signal`, or the reader's
 * `break`.
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

/** Engine whose child process stays for the next call, with everything that it has loaded. */
export class Engine {
  private child: EngineProcess | undefined;
  /** What the child was started for, as text. */
  private childFor = '';
  /** Settles when all earlier calls are over. */
  private turn: Promise<void> = Promise.resolve();
  /** Settles when all children that should end have ended. */
  private gone: Promise<unknown> = Promise.resolve();
  private idle: NodeJS.Timeout | undefined;
  private calls = 0;
  private closed = false;

  constructor(private readonly options: EngineOptions) {}

  /** Process id of the child; undefined if there is none. */
  get pid(): number | undefined {
    return this.child?.ended ? undefined : this.child?.pid;
  }

  /** Starts the child, so that it loads its modules before the first call. */
  start(): void {
    if (!this.child && !this.closed) this.launch();
  }

  /**
   * Runs one method and yields its events in order. One call runs at a time, others wait. A child
   * is started if there is none, and stays. After a cancelled call it stays if it ended the call
   * within `graceMs`.
   *
   * @param wanted child in which it runs. Default: any
   * @returns the method's result
   * @throws HifiError the method's own error with its code; CANCELLED when `signal` aborts;
   *   ENGINE_LOST when the child dies (with the signal or exit code and its last line), when it is
   *   silent for too long, and when the engine is closed
   */
  async *call<Event, Result>(
    method: string,
    request: unknown,
    signal?: AbortSignal,
    wanted?: ChildFor,
  ): AsyncGenerator<Event, Result> {
    const over = await this.begin(method, signal);
    try {
      const child = await this.running(wanted);
      if (this.closed) throw closed(method);
      return yield* this.run<Event, Result>(child, method, request, signal);
    } finally {
      this.rest();
      over();
    }
  }

  /**
   * Ends the child after all earlier calls, which frees its memory. The next call starts another
   * one.
   */
  async release(): Promise<void> {
    const over = await this.begin('release');
    this.end();
    await this.gone;
    over();
  }

  /**
   * Ends the child and a running call; no further calls are possible. Settles when the child has
   * ended.
   */
  async close(): Promise<void> {
    this.closed = true;
    this.end();
    await this.gone;
  }

  /** Waits for all earlier calls. @returns a function to call when this call is over */
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

  /**
   * Returns the child; starts one if none is running, or after the end of one for something else:
   * the memory may not suffice for both.
   */
  private async running(wanted?: ChildFor): Promise<EngineProcess> {
    clearTimeout(this.idle);
    if (this.child && wanted && this.childFor !== JSON.stringify(wanted)) {
      this.end();
      await this.gone;
    }
    return this.child && !this.child.ended ? this.child : this.launch(wanted);
  }

  private launch(wanted: ChildFor = {}): EngineProcess {
    const { env } = this.options;
    this.childFor = JSON.stringify(wanted);
    this.child = new EngineProcess({ ...this.options, env: { ...env, ...wanted.env } });
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
      child.send({ type: 'abort', id });
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
          child.send({ type: 'taken', id });
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
        // The reader has left: further messages are dropped.
        abort();
        while ((await child.next(silenceMs))?.type === 'event');
      }
      clearTimeout(killing);
    }
  }

  /** Cleans up after a call. */
  private rest(): void {
    if (this.child?.ended) this.child = undefined;
    const { idleMs } = this.options;
    if (this.child && idleMs !== undefined) this.idle = setTimeout(() => this.end(), idleMs).unref();
  }

  /** Ends the child; the next call starts another one. */
  private end(): void {
    clearTimeout(this.idle);
    if (this.child) this.gone = Promise.all([this.gone, this.child.stop(this.options.graceMs ?? GRACE_MS)]);
    this.child = undefined;
  }
}

/** Converts the child's error to an error of the parent. */
export function crossed({ code, message, part, trace }: Crossing): HifiError {
  return Object.assign(new HifiError(code, message, `in the child process: ${trace}`), part);
}

const closed = (method: string) => engineLost(`the ${method} engine was closed`);
