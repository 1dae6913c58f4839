import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HifiError } from '../../errors';
import { callEngine } from '../../infra/engine';

const entry = require.resolve('./engine-child');
const call = <Event, Result>(method: string, request: unknown = null, more: object = {}) =>
  callEngine<Event, Result>({ entry, method, request, ...more });

async function collect<Event, Result>(generator: AsyncGenerator<Event, Result>) {
  const events: Event[] = [];
  for (;;) {
    const step = await generator.next();
    if (step.done) return { events, result: step.value };
    events.push(step.value);
  }
}

async function errorOf(generator: AsyncGenerator<unknown, unknown>): Promise<HifiError> {
  return collect(generator).then(
    () => {
      throw new Error('no error');
    },
    (error) => error,
  );
}

/** Whether a process is there, and not as a zombie. */
function running(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  while (running(pid)) await sleep(10);
}

describe('a call', () => {
  it('yields the events in order and returns the result, typed arrays as such', async () => {
    const { events, result } = await collect(
      call<{ i: number }, { doubles: Float32Array }>('count', { count: 1000 }, { env: { ENGINE_TEST: 'handed over' } }),
    );
    expect(events.map((event) => event.i)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(result).toEqual({
      doubles: Float32Array.from({ length: 1000 }, (_, i) => 2 * i),
      environment: 'handed over',
    });
    expect(result.doubles).toBeInstanceOf(Float32Array);
  });

  it('loses nothing to a reader that is slow at first', async () => {
    const generator = call<{ i: number }, unknown>('count', { count: 700 });
    const first = await generator.next();
    await sleep(300);
    const { events } = await collect(generator);
    expect([first.value, ...events].map((event) => (event as { i: number }).i)).toEqual([...Array(700).keys()]);
  });

  it('keeps what the child prints to itself', async () => {
    const out = jest.spyOn(process.stdout, 'write');
    const err = jest.spyOn(process.stderr, 'write');
    try {
      const { events, result } = await collect(call<number, string>('noisy'));
      expect(result).toBe('done');
      expect(events[0]).not.toBe(process.pid);
      const printed = [...out.mock.calls, ...err.mock.calls].map(([text]) => String(text)).join('');
      expect(printed).not.toMatch(/on standard/);
    } finally {
      out.mockRestore();
      err.mockRestore();
    }
  });

  it('leaves no process behind', async () => {
    const { events } = await collect(call<number, string>('noisy'));
    expect(running(events[0])).toBe(false);
  });
});

describe('an error', () => {
  it('crosses with its code, message and cause', async () => {
    const error = await errorOf(call('refuse'));
    expect(error).toMatchObject({ name: 'HifiError', code: 'INVALID_INPUT', message: 'row 3: label "x" is not known' });
    expect(error.cause).toMatch(/the cause/);
  });

  it('of no code is FAILED', async () => {
    expect(await errorOf(call('break'))).toMatchObject({ code: 'FAILED', message: 'an unforeseen thing' });
  });

  it('is what an unknown method, an entry that is not there and an event that cannot be sent give', async () => {
    expect(await errorOf(call('toString'))).toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/no method toString/),
    });
    expect(await errorOf(call('unsendable'))).toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/could not be cloned/),
    });
    const missing = callEngine({ entry: `${entry}.gone.js`, method: 'count', request: null });
    expect(await errorOf(missing)).toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/the count engine ended with exit code 1: Error: Cannot find module/),
    });
  });
});

describe('a child that dies', () => {
  it('is FAILED with the signal and its last words, after the events before', async () => {
    const events: unknown[] = [];
    const reading = (async () => {
      for await (const event of call('crash')) events.push(event);
    })();
    await expect(reading).rejects.toMatchObject({
      code: 'FAILED',
      message:
        'the crash engine was ended by SIGKILL (the system may be out of memory): terminate called: no memory for 12 tensors',
    });
    expect(events).toEqual(['before']);
  });

  it('is FAILED with the exit code', async () => {
    expect(await errorOf(call('leave'))).toMatchObject({
      code: 'FAILED',
      message: 'the leave engine ended with exit code 7: a library gave up',
    });
  });

  it('is FAILED with the error that nobody caught', async () => {
    expect(await errorOf(call('stumble'))).toMatchObject({
      code: 'FAILED',
      message: 'the stumble engine ended with exit code 1: Error: thrown outside of any call',
    });
  });
});

describe('cancellation', () => {
  it('before the start starts nothing', async () => {
    const error = await errorOf(
      callEngine({ entry: '/no/such/file', method: 'x', request: 0, signal: AbortSignal.abort() }),
    );
    expect(error.code).toBe('CANCELLED');
  });

  it('takes effect at the next step, and the child is gone', async () => {
    const controller = new AbortController();
    const generator = call<{ step: number; pid: number }, string>('endless', null, { signal: controller.signal });
    const { pid } = (await generator.next()).value as { pid: number };
    expect(running(pid)).toBe(true);
    controller.abort();
    let steps = 0;
    const error = await (async () => {
      for await (const _ of generator) steps++;
    })().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'CANCELLED' });
    expect(running(pid)).toBe(false);
    // The steps that were under way when the word came, not those of the seconds until a kill.
    expect(steps).toBeLessThan(20);
  });

  it('reaches a child whose events nobody takes', async () => {
    const controller = new AbortController();
    const generator = call<{ i: number }, unknown>('count', { count: 100_000 }, { signal: controller.signal });
    await generator.next();
    await sleep(200);
    controller.abort();
    expect(await errorOf(generator)).toMatchObject({ code: 'CANCELLED' });
  });

  it('kills a child that does not listen', async () => {
    const controller = new AbortController();
    const generator = call<number, never>('deaf', null, { signal: controller.signal, graceMs: 500 });
    const pid = (await generator.next()).value;
    controller.abort();
    expect(await errorOf(generator)).toMatchObject({ code: 'CANCELLED' });
    expect(running(pid)).toBe(false);
  });

  it("is a reader's leaving too", async () => {
    let pid = 0;
    for await (const event of call<{ pid: number }, string>('endless')) {
      pid = event.pid;
      break;
    }
    expect(running(pid)).toBe(false);
  });
});

it('a child does not outlive its parent', async () => {
  const parent = spawn(process.execPath, [require.resolve('./engine-parent'), entry], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await new Promise<number>((resolve) => {
    parent.stdout.once('data', (text) => resolve(Number(text)));
  });
  expect(running(pid)).toBe(true);
  parent.kill('SIGKILL');
  await untilGone(pid);
});

it('an engine that is started by hand says so', async () => {
  const child = spawn(process.execPath, [entry], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (text) => {
    output += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).not.toBe(0);
  expect(output).toMatch(/started by its parent process, not by hand/);
});
