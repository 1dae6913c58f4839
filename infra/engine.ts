import { type ChildProcess, fork } from 'node:child_process';
import { cancelled, type ErrorCode, failed, HifiError } from '../errors';

/** What an engine can do: each method yields events and returns a result, all of it plain data and typed arrays. */
export type EngineHandlers = Record<
  string,
  // biome-ignore lint/suspicious/noExplicitAny: each method has a request of its own; `callEngine` names the types
  (request: any, signal: AbortSignal) => AsyncGenerator<unknown, unknown>
>;

/** One call of a method, in a child process of its own. */
export interface EngineCall {
  /** The child's file, which calls `serveEngine`: `require.resolve('./child')`. */
  entry: string;
  method: string;
  request: unknown;
  /** Added to the parent's environment. */
  env?: Record<string, string>;
  signal?: AbortSignal;
  /** How long the child may take to end when told to, in milliseconds; by default a minute. */
  graceMs?: number;
}

type ToChild = { type: 'call'; method: string; request: unknown } | { type: 'taken' } | { type: 'abort' };
type FromChild =
  | { type: 'event'; event: unknown }
  | { type: 'result'; result: unknown }
  | { type: 'error'; code: ErrorCode; message: string; stack?: string };

/** Events that a child may be ahead of its reader. Further on it waits, so that a slow reader costs no memory. */
const EVENTS_AHEAD = 256;
/**
 * How long a child may take to end when told to, in milliseconds; then it is killed. It covers a step of a large model
 * and the saving of what a training has reached. A parent that goes before takes its child along.
 */
const GRACE_MS = 60_000;
/** What is kept of what a child writes, in characters: the reason of a crash is at its end. */
const OUTPUT_KEPT = 16_384;

/**
 * Runs one method of an engine in a child process and yields its events in order. The child is gone when this ends,
 * however it ends: by its result, an error, `signal`, or the reader's leaving (`break`).
 *
 * @returns the method's result
 * @throws HifiError the method's own error with its code; CANCELLED when `signal` aborts; FAILED when the child dies,
 *   with the signal or exit code and the last line that it wrote
 */
export async function* callEngine<Event, Result>(call: EngineCall): AsyncGenerator<Event, Result> {
  if (call.signal?.aborted) throw cancelled();
  const child = fork(call.entry, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, ...call.env },
    execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
  });
  const inbox: FromChild[] = [];
  let ended: HifiError | undefined;
  let wake = () => {};
  let output = '';
  const keep = (chunk: string) => {
    output = (output + chunk).slice(-OUTPUT_KEPT);
  };
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);
  child.on('message', (message) => {
    inbox.push(message as FromChild);
    wake();
  });
  // 'close' comes after the last message; 'exit' may come before it.
  const gone = new Promise<void>((resolve) => {
    child.once('close', (code, signal) => {
      ended = died(call.method, code, signal, output);
      resolve();
      wake();
    });
    child.once('error', (error) => {
      if (child.pid !== undefined) return;
      ended = failed(`the ${call.method} engine could not be started: ${error.message}`, error);
      resolve();
      wake();
    });
  });
  const end = () => stop(child, call.graceMs ?? GRACE_MS);
  call.signal?.addEventListener('abort', end, { once: true });
  try {
    tell(child, { type: 'call', method: call.method, request: call.request });
    for (;;) {
      const message = inbox.shift();
      if (message?.type === 'event') {
        yield message.event as Event;
        tell(child, { type: 'taken' });
      } else if (message || ended) {
        if (call.signal?.aborted) throw cancelled();
        if (message?.type === 'result') return message.result as Result;
        throw message ? crossed(message) : ended;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    call.signal?.removeEventListener('abort', end);
    end();
    await gone;
  }
}

/** Tells a child to end, and sees to it that it does. */
function stop(child: ChildProcess, graceMs: number): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  tell(child, { type: 'abort' });
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  child.once('exit', () => clearTimeout(timer));
}

/** Sends to a child that may have died meanwhile: then its end tells. */
function tell(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => {});
}

/** An error of the child's as the parent's. */
function crossed(message: FromChild & { type: 'error' }): HifiError {
  return new HifiError(message.code, message.message, message.stack);
}

/** The error for a child that ended without a result. */
function died(method: string, code: number | null, signal: string | null, output: string): HifiError {
  const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
  const hint = signal === 'SIGKILL' ? ' (the system may be out of memory)' : '';
  const last = lastWords(output, signal === null);
  return failed(`the ${method} engine ${how}${hint}${last ? `: ${last}` : ''}`, output);
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

/**
 * The child's side: answers the one call that the parent makes, then ends. The child ends at once when its parent is
 * gone. Cancellation is heard when the event loop turns, which it does at each event: a method yields one each step.
 *
 * @throws HifiError FAILED when the process has no parent to talk to
 */
export function serveEngine(handlers: EngineHandlers): void {
  if (process.send === undefined) throw failed('an engine is started by its parent process, not by hand');
  const controller = new AbortController();
  const window = new Window(EVENTS_AHEAD);
  // Ctrl-C reaches all processes of a terminal: what it means is the parent's to decide.
  process.on('SIGINT', () => {});
  process.once('disconnect', () => process.exit(1));
  process.on('message', (message: ToChild) => {
    if (message.type === 'abort') {
      controller.abort();
      window.open();
    } else if (message.type === 'taken') {
      window.taken();
    } else {
      void answer(handlers, message.method, message.request, controller.signal, window);
    }
  });
}

async function answer(
  handlers: EngineHandlers,
  method: string,
  request: unknown,
  signal: AbortSignal,
  window: Window,
): Promise<void> {
  try {
    const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
    if (handler === undefined) throw failed(`the engine has no method ${method}`);
    const events = handler(request, signal);
    for (;;) {
      const step = await events.next();
      if (signal.aborted) throw cancelled();
      if (step.done) {
        await send({ type: 'result', result: step.value });
        break;
      }
      await send({ type: 'event', event: step.value });
      await window.sent();
      await new Promise(setImmediate);
    }
  } catch (thrown) {
    const error = HifiError.from(thrown);
    const cause = error.cause instanceof Error ? error.cause.stack : undefined;
    await send({ type: 'error', code: error.code, message: error.message, stack: cause ?? error.stack });
  }
  process.exit(0);
}

/** Settles when the message is on its way: a process that exits before that loses it. */
function send(message: FromChild): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

/** Counts the events that the reader has not taken yet. */
class Window {
  private ahead = 0;
  private resume = () => {};

  constructor(private size: number) {}

  /** Waits while the reader is too far behind. */
  async sent(): Promise<void> {
    this.ahead += 1;
    if (this.ahead < this.size) return;
    await new Promise<void>((resolve) => {
      this.resume = resolve;
    });
  }

  taken(): void {
    this.ahead -= 1;
    this.resume();
  }

  /** No more waiting. */
  open(): void {
    this.size = Number.POSITIVE_INFINITY;
    this.resume();
  }
}
