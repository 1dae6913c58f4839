import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HifiError } from '../../foundation/errors';
import { callEngine, Engine, type EngineOptions } from '../../infra/engine';

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

/** Returns true if a process exists and is no zombie. */
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

  it('loses no event if its reader is slow at first', async () => {
    const generator = call<{ i: number }, unknown>('count', { count: 700 });
    const first = await generator.next();
    await sleep(300);
    const { events } = await collect(generator);
    expect([first.value, ...events].map((event) => (event as { i: number }).i)).toEqual([...Array(700).keys()]);
  });

  it('does not print the output of the child', async () => {
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

  it('leaves no process', async () => {
    const { events } = await collect(call<number, string>('noisy'));
    expect(running(events[0])).toBe(false);
  });
});

describe('an error', () => {
  it('keeps its code, message and cause', async () => {
    const error = await errorOf(call('refuse'));
    expect(error).toMatchObject({ name: 'HifiError', code: 'INVALID_INPUT', message: 'row 3: label "x" is not known' });
    expect(error.cause).toMatch(/the cause/);
  });

  it('without a code is FAILED', async () => {
    expect(await errorOf(call('break'))).toMatchObject({ code: 'FAILED', message: 'an unforeseen thing' });
  });

  it('results from an unknown method, a missing entry and an event that cannot be sent', async () => {
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
      code: 'ENGINE_LOST',
      message: expect.stringMatching(/the count engine ended with exit code 1: Error: Cannot find module/),
    });
  });
});

describe('a child that dies', () => {
  it('is ENGINE_LOST with the signal and its last line, after all its events', async () => {
    const events: unknown[] = [];
    const reading = (async () => {
      for await (const event of call('crash')) events.push(event);
    })();
    await expect(reading).rejects.toMatchObject({
      code: 'ENGINE_LOST',
      message:
        'the crash engine was ended by SIGKILL (the system may be out of memory): terminate called: no memory for 12 tensors',
    });
    expect(events).toEqual(['before']);
  });

  it('is ENGINE_LOST with the exit code', async () => {
    expect(await errorOf(call('leave'))).toMatchObject({
      code: 'ENGINE_LOST',
      message: 'the leave engine ended with exit code 7: a library gave up',
    });
  });

  it('is ENGINE_LOST with the uncaught error', async () => {
    expect(await errorOf(call('stumble'))).toMatchObject({
      code: 'ENGINE_LOST',
      message: 'the stumble engine ended with exit code 1: Error: thrown outside of any call',
    });
  });
});

describe('cancellation', () => {
  it('before the start starts no child', async () => {
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
    // These are the steps in progress at the abort, not those of the seconds until a kill.
    expect(steps).toBeLessThan(20);
  });

  it('reaches a child whose events are not read', async () => {
    const controller = new AbortController();
    const generator = call<{ i: number }, unknown>('count', { count: 100_000 }, { signal: controller.signal });
    await generator.next();
    await sleep(200);
    controller.abort();
    expect(await errorOf(generator)).toMatchObject({ code: 'CANCELLED' });
  });

  it('kills a child that does not react', async () => {
    const controller = new AbortController();
    const generator = call<number, never>('deaf', null, { signal: controller.signal, graceMs: 500 });
    const pid = (await generator.next()).value;
    controller.abort();
    expect(await errorOf(generator)).toMatchObject({ code: 'CANCELLED' });
    expect(running(pid)).toBe(false);
  });

  it('also happens when the reader leaves', async () => {
    let pid = 0;
    for await (const event of call<{ pid: number }, string>('endless')) {
      pid = event.pid;
      break;
    }
    expect(running(pid)).toBe(false);
  });
});

describe('an engine that stays', () => {
  const engines: Engine[] = [];
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close();
  });
  const started = (options: Omit<EngineOptions, 'entry'> = {}) => {
    const engine = new Engine({ entry, ...options });
    engines.push(engine);
    return engine;
  };
  const selfOf = async (engine: Engine) =>
    (await collect(engine.call<string, { pid: number; nice: number; temporary: string }>('self', null))).result;

  it('answers consecutive calls in one process', async () => {
    const engine = started();
    expect(engine.pid).toBeUndefined();
    const { pid } = await selfOf(engine);
    expect(engine.pid).toBe(pid);
    expect(await errorOf(engine.call('refuse', null))).toMatchObject({ code: 'INVALID_INPUT' });
    const { events } = await collect(engine.call<{ i: number }, unknown>('count', { count: 700 }));
    expect(events.map(({ i }) => i)).toEqual([...Array(700).keys()]);
    expect((await errorOf(engine.call('count', () => 1))).message).toMatch(/could not be cloned/);
    expect((await selfOf(engine)).pid).toBe(pid);
  });

  it('runs one call at a time, in the order of the requests', async () => {
    const engine = started();
    const controller = new AbortController();
    const ends: string[] = [];
    const ended = async (name: string, call: AsyncGenerator<unknown, unknown>) => {
      const error = await errorOf(call);
      ends.push(`${name} ${error.code}`);
    };
    const first = engine.call<{ step: number }, never>('endless', null, controller.signal);
    await first.next();
    const waiting = [
      ended('third', engine.call('refuse', null)),
      ended('second', engine.call('count', { count: 1 }, AbortSignal.timeout(1))),
    ];
    await waiting[1];
    expect(ends).toEqual(['second CANCELLED']);
    controller.abort();
    await ended('first', first);
    await Promise.all(waiting);
    expect(ends).toEqual(['second CANCELLED', 'first CANCELLED', 'third INVALID_INPUT']);
  });

  it('starts its process before the first call if asked', async () => {
    const engine = started();
    engine.start();
    const { pid } = engine;
    expect(running(pid!)).toBe(true);
    expect((await selfOf(engine)).pid).toBe(pid);
  });

  it('replaces the process before a call for something else, after the end of the call before', async () => {
    const engine = started();
    const count = (env?: string, subject = 'a') =>
      collect(
        engine.call<object, { environment?: string }>(
          'count',
          { count: 1 },
          undefined,
          env === undefined ? undefined : { env: { ENGINE_TEST: env }, subject },
        ),
      ).then(({ result }) => [result.environment, engine.pid]);
    const first = await count('1');
    expect(first[0]).toBe('1');
    expect(await count('1')).toEqual(first);
    // Any process will do.
    expect(await count()).toEqual(first);
    const [second, third] = await Promise.all([count('2'), count('2', 'b')]);
    expect([second[0], third[0]]).toEqual(['2', '2']);
    expect(new Set([first[1], second[1], third[1]]).size).toBe(3);
    expect([first, second, third].map(([, pid]) => running(pid as number))).toEqual([false, false, true]);
  });

  it('frees its memory if asked, after the calls so far', async () => {
    const engine = started();
    const running = selfOf(engine);
    await engine.release();
    expect(engine.pid).toBeUndefined();
    expect((await selfOf(engine)).pid).not.toBe((await running).pid);
  });

  it('is usable after a cancelled call', async () => {
    const engine = started();
    const controller = new AbortController();
    const call = engine.call<{ pid: number }, never>('endless', null, controller.signal);
    const { pid } = (await call.next()).value;
    controller.abort();
    expect(await errorOf(call)).toMatchObject({ code: 'CANCELLED' });
    expect((await selfOf(engine)).pid).toBe(pid);
  });

  it('is usable after its reader has left, and the call has released its resources', async () => {
    const engine = started();
    const { pid } = await selfOf(engine);
    for await (const event of engine.call<{ step: number }, never>('endless', null)) if (event.step === 3) break;
    for (const before of [0, 1]) {
      for await (const ends of engine.call<number, never>('tidy', null)) {
        expect(ends).toBe(before);
        break;
      }
    }
    expect((await selfOf(engine)).pid).toBe(pid);
  });

  it('starts another process after one that did not end its call', async () => {
    const engine = started({ graceMs: 300 });
    const call = engine.call<number, never>('deaf', null);
    const pid = (await call.next()).value;
    await call.return(undefined as never);
    expect(running(pid)).toBe(false);
    expect((await selfOf(engine)).pid).not.toBe(pid);
  });

  it('starts another process after a killed one', async () => {
    const engine = started();
    const call = engine.call<{ pid: number }, never>('endless', null);
    const { pid } = (await call.next()).value;
    process.kill(pid, 'SIGKILL');
    expect(await errorOf(call)).toMatchObject({
      code: 'ENGINE_LOST',
      message: 'the endless engine was ended by SIGKILL (the system may be out of memory)',
    });
    const other = await selfOf(engine);
    expect(other.pid).not.toBe(pid);
    // The same holds for a kill without a call.
    process.kill(other.pid, 'SIGKILL');
    while (engine.pid !== undefined) await sleep(10);
    expect(running((await selfOf(engine)).pid)).toBe(true);
  });

  it('ends a process that is silent for too long', async () => {
    const engine = started({ silenceMs: 3000 });
    const { pid } = await selfOf(engine);
    expect(await errorOf(engine.call('frozen', null))).toMatchObject({
      code: 'ENGINE_LOST',
      message: 'the frozen engine was silent for 3 s and was ended',
    });
    expect(running(pid)).toBe(false);
    expect((await selfOf(engine)).pid).not.toBe(pid);
  });

  it('does not count the silence of a slow reader as that of the process', async () => {
    const engine = started({ silenceMs: 3000 });
    await selfOf(engine);
    const call = engine.call<{ i: number }, unknown>('count', { count: 700 });
    await call.next();
    await sleep(3500);
    expect((await collect(call)).events).toHaveLength(699);
  });

  it('ends an idle process', async () => {
    const engine = started({ idleMs: 100 });
    const { pid } = await selfOf(engine);
    await untilGone(pid);
    expect(engine.pid).toBeUndefined();
    expect((await selfOf(engine)).pid).not.toBe(pid);
  });

  it('has the requested niceness above its parent', async () => {
    expect((await selfOf(started({ nice: 7 }))).nice).toBe(Math.min(os.getPriority() + 7, 19));
    expect((await selfOf(started())).nice).toBe(os.getPriority());
  });

  it('removes its temporary files, also when it is killed', async () => {
    const engine = started();
    const { pid, temporary } = await selfOf(engine);
    fs.writeFileSync(path.join(temporary, 'weights'), 'w');
    process.kill(pid, 'SIGKILL');
    await untilGone(pid);
    expect(fs.existsSync(path.dirname(temporary))).toBe(true);
    await engine.close();
    expect(fs.existsSync(temporary)).toBe(false);
  });

  it('leaves no process when it is closed, in a call or not', async () => {
    const resting = started();
    const { pid } = await selfOf(resting);
    const working = started();
    const call = working.call<{ pid: number }, never>('endless', null);
    const { pid: other } = (await call.next()).value;
    await Promise.all([resting.close(), working.close()]);
    expect([pid, other].filter(running)).toEqual([]);
    const lost = { code: 'ENGINE_LOST', message: 'the endless engine was closed' };
    expect(await errorOf(call)).toMatchObject(lost);
    expect(await errorOf(working.call('endless', null))).toMatchObject(lost);
  });
});

it('a child does not outlive its parent', async () => {
  const parent = spawn(process.execPath, [require.resolve('./engine-parent'), entry], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { pid, temporary } = await childOf(parent);
  expect(running(pid)).toBe(true);
  expect(fs.existsSync(temporary)).toBe(true);
  parent.kill('SIGKILL');
  await untilGone(pid);
  expect(fs.existsSync(temporary)).toBe(false);
});

it('an engine starts even if its parent may not set the requested priority', async () => {
  if (process.getuid?.() !== 0) {
    process.stderr.write('left out: only root can start a process of another user\n');
    return;
  }
  const words = ['-n', '15', process.execPath, require.resolve('./engine-parent'), entry];
  const nobody = 65_534;
  const parent = spawn('nice', words, { stdio: ['ignore', 'pipe', 'inherit'], uid: nobody, gid: nobody });
  const { pid } = await childOf(parent);
  expect([os.getPriority(parent.pid), os.getPriority(pid)]).toEqual([15, 19]);
  parent.kill('SIGKILL');
  await untilGone(pid);
});

/** Reads what `engine-parent` prints about its child. */
async function childOf(parent: ChildProcess): Promise<{ pid: number; temporary: string }> {
  const text = await new Promise<string>((resolve, reject) => {
    parent.stdout?.once('data', (data) => resolve(String(data)));
    parent.once('exit', () => reject(new Error('the parent ended')));
  });
  const [pid, temporary] = text.trim().split(' ');
  return { pid: Number(pid), temporary };
}

it('an engine that was started by hand reports it', async () => {
  const child = spawn(process.execPath, [entry], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (text) => {
    output += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).not.toBe(0);
  expect(output).toMatch(/must be started by its parent process/);
});
