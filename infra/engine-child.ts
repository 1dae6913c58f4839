import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { cancelled, type ErrorCode, failed, HifiError, traceOf } from '../foundation/errors';
import { Waker } from '../foundation/waker';

/**
 * Methods of an engine: each yields events and returns a result, all of it plain data and typed
 * arrays.
 */
export type EngineHandlers = Record<
  string,
  // biome-ignore lint/suspicious/noExplicitAny: each method has its own request type
  (request: any, signal: AbortSignal) => AsyncGenerator<unknown, unknown>
>;

/**
 * Message to a child. `id` identifies the call: a late message of an ended call does not affect the
 * next one.
 */
export type ToChild =
  | { type: 'call'; id: number; method: string; request: unknown }
  | { type: 'taken'; id: number }
  | { type: 'abort'; id: number }
  | { type: 'end' };
/** Message from a child: events in order, then the result or the error, which ends the call. */
export type FromChild =
  | { type: 'event'; event: unknown }
  | { type: 'result'; result: unknown }
  | { type: 'error'; code: ErrorCode; message: string; part: ErrorPart; trace: string };

/** Error on its way to the parent. */
export type Crossing = FromChild & { type: 'error' };

/** Part of the input that an error names. */
type ErrorPart = Pick<HifiError, 'field' | 'value' | 'expected'>;

/** Prefix of the folder name that the parent uses (`temporaryFolder('engine')`). */
const ENGINE_FOLDER = 'hifi-engine-';

/**
 * Number of events that a child may be ahead of its reader. Beyond it the child waits, so that a
 * slow reader costs no memory.
 */
const EVENTS_AHEAD = 256;

/** Running call. */
interface Running {
  id: number;
  controller: AbortController;
  window: Window;
}

/**
 * Serves the parent's calls in the child, one after the other, until the parent ends it. The child
 * also ends when its parent is gone. A cancellation takes effect when the event loop turns, at each
 * event: a method yields one per step.
 *
 * @throws HifiError FAILED if the process has no parent to talk to
 */
export function serveEngine(handlers: EngineHandlers): void {
  if (process.send === undefined) throw failed('an engine must be started by its parent process');
  let running: Running | undefined;
  let ending = false;
  const abort = ({ controller, window }: Running) => {
    controller.abort();
    window.open();
  };
  const run = async (id: number, method: string, request: unknown) => {
    running = { id, controller: new AbortController(), window: new Window(EVENTS_AHEAD) };
    await answer(handlers, method, request, running);
    running = undefined;
    if (ending) process.exit(0);
  };
  // Ctrl-C and the closing of a terminal reach all processes of the terminal, and systemd's SIGTERM
  // all processes of a service. The parent decides how to react.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  process.once('exit', removeOwnFolder);
  process.once('disconnect', () => process.exit(1));
  process.on('message', (message: ToChild) => {
    if (message.type === 'call') {
      void run(message.id, message.method, message.request);
    } else if (message.type === 'end') {
      if (running === undefined) process.exit(0);
      ending = true;
      abort(running);
    } else if (message.id === running?.id) {
      if (message.type === 'abort') abort(running);
      else running.window.taken();
    }
  });
}

/** Removes this process's temporary folder, which the parent created: a killed parent cannot. */
function removeOwnFolder(): void {
  const folder = os.tmpdir();
  if (path.basename(folder).startsWith(ENGINE_FOLDER)) fs.rmSync(folder, { recursive: true, force: true });
}

async function answer(
  handlers: EngineHandlers,
  method: string,
  request: unknown,
  { controller: { signal }, window }: Running,
): Promise<void> {
  let events: AsyncGenerator<unknown, unknown> | undefined;
  let last: FromChild;
  try {
    const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
    if (handler === undefined) throw failed(`the engine has no method ${method}`);
    events = handler(request, signal);
    for (;;) {
      const step = await events.next();
      if (signal.aborted) throw cancelled();
      if (step.done) {
        last = { type: 'result', result: step.value };
        break;
      }
      await send({ type: 'event', event: step.value });
      await window.sent();
      await new Promise(setImmediate);
    }
  } catch (thrown) {
    last = crossing(thrown);
  }
  try {
    // The method must release its resources before the next call may come.
    await events?.return(undefined);
    await send(last);
  } catch (thrown) {
    await send(crossing(thrown));
  }
}

/** Converts an error to a message for the parent. */
export function crossing(thrown: unknown): Crossing {
  const error = HifiError.from(thrown);
  const { code, message, field, value, expected } = error;
  return { type: 'error', code, message, part: { field, value, expected }, trace: traceOf(thrown) };
}

/** Settles when the message is sent: a process that exits earlier loses it. */
function send(message: FromChild): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

/** Flow control: counts the events that the reader has not taken yet. */
class Window {
  private ahead = 0;
  private readonly waker = new Waker();

  constructor(private size: number) {}

  /** Waits while the reader is too far behind. */
  async sent(): Promise<void> {
    this.ahead += 1;
    if (this.ahead < this.size) return;
    await this.waker.sleep();
  }

  taken(): void {
    this.ahead -= 1;
    this.waker.wake();
  }

  /** Ends all waiting. */
  open(): void {
    this.size = Number.POSITIVE_INFINITY;
    this.waker.wake();
  }
}
