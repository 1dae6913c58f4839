import * as os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { invalidInput } from '../../foundation/errors';
import { serveEngine } from '../../infra/engine-child';

/** Number of times that `tidy` has ended. */
let ends = 0;

// Child for the tests of infra/engine.ts: one method per behaviour.
serveEngine({
  /** Yields 0 … count − 1, returns their doubles in a typed array. */
  async *count({ count }: { count: number }) {
    for (let i = 0; i < count; i++) yield { i };
    return { doubles: Float32Array.from({ length: count }, (_, i) => 2 * i), environment: process.env.ENGINE_TEST };
  },
  // biome-ignore lint/correctness/useYield: an error before the first event
  async *refuse() {
    throw invalidInput('row 3: label "x" is not known', new Error('the cause'));
  },
  // biome-ignore lint/correctness/useYield: an error without a code
  async *break() {
    throw new TypeError('an unforeseen thing');
  },
  async *noisy() {
    console.log('on standard output');
    console.error('on standard error');
    yield process.pid;
    return 'done';
  },
  /** Yields steps forever; only a cancellation ends it. */
  async *endless(_: unknown, signal: AbortSignal) {
    for (let step = 0; ; step++) {
      if (signal.aborted) return 'stopped';
      yield { step, pid: process.pid, temporary: os.tmpdir() };
      await sleep(5);
    }
  },
  /** Reports the process that runs it. */
  async *self() {
    yield 'here';
    // systemd, or a closed terminal, signals all processes.
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.kill(process.pid, signal);
    await sleep(20);
    return { pid: process.pid, nice: os.getPriority(), temporary: os.tmpdir() };
  },
  /** Holds a resource until its end, and returns how often it has released it. */
  async *tidy() {
    try {
      for (;;) {
        yield ends;
        await sleep(5);
      }
    } finally {
      ends++;
    }
  },
  /** Stops its process, as a debugger or a deadlock does. */
  async *frozen() {
    yield 'before';
    process.kill(process.pid, 'SIGSTOP');
    await sleep(60_000);
  },
  /** Blocks the event loop after its first event. */
  async *deaf() {
    yield process.pid;
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  },
  async *crash() {
    yield 'before';
    process.stderr.write('terminate called: no memory for 12 tensors\n');
    process.kill(process.pid, 'SIGKILL');
    await sleep(60_000);
  },
  async *leave() {
    yield 'before';
    process.stderr.write('a library gave up\n');
    process.exit(7);
  },
  async *stumble() {
    yield 'before';
    setImmediate(() => {
      throw new Error('thrown outside of any call');
    });
    await sleep(60_000);
  },
  async *unsendable() {
    yield () => 'a function';
  },
});
