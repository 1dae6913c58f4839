import { setTimeout as wait } from 'node:timers/promises';
import { HifiError, invalidInput } from '../../foundation/errors';
import { runOf } from '../../library/run';

/** Counts to `last`, and records its begin and end. */
function counting(last: number) {
  const seen = { begun: 0, ended: 0 };
  async function* count(signal?: AbortSignal): AsyncGenerator<number, string> {
    seen.begun++;
    try {
      for (let i = 1; i <= last; i++) {
        yield i;
        await new Promise(setImmediate);
        if (signal?.aborted) throw new HifiError('CANCELLED', 'cancelled');
      }
      return `counted to ${last}`;
    } finally {
      seen.ended++;
    }
  }
  return { seen, count };
}

test('await starts the work and gives the result', async () => {
  const { seen, count } = counting(3);
  const run = runOf(count);
  await wait(10);
  expect(seen).toEqual({ begun: 0, ended: 0 });
  expect(await run).toBe('counted to 3');
  expect(await run).toBe('counted to 3');
  expect(seen).toEqual({ begun: 1, ended: 1 });
});

test('a loop gives the events, and then await the result', async () => {
  const run = runOf(counting(3).count);
  const events: number[] = [];
  for await (const event of run) events.push(event);
  expect(events).toEqual([1, 2, 3]);
  expect(await run).toBe('counted to 3');
});

test('a run is accepted wherever a promise is', async () => {
  const both = await Promise.all([runOf(counting(1).count), runOf(counting(2).count)]);
  expect(both).toEqual(['counted to 1', 'counted to 2']);
  const ended = jest.fn();
  expect(await runOf(counting(1).count).finally(ended)).toBe('counted to 1');
  expect(ended).toHaveBeenCalledTimes(1);
});

test('events are emitted once', async () => {
  const run = runOf(counting(2).count);
  await run;
  const again = async () => {
    for await (const _ of run);
  };
  await expect(again()).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(/once/) });
  expect(await run).toBe('counted to 2');
});

test('leaving the loop ends the work', async () => {
  const { seen, count } = counting(1000);
  const run = runOf(count);
  for await (const event of run) if (event === 2) break;
  expect(seen).toEqual({ begun: 1, ended: 1 });
  await expect(run).rejects.toMatchObject({ name: 'HifiError', code: 'CANCELLED' });
});

test('an abort ends the work, also one before its start', async () => {
  const { seen, count } = counting(1_000_000);
  const controller = new AbortController();
  const run = runOf(count, { signal: controller.signal });
  const loop = async () => {
    for await (const event of run) if (event === 3) controller.abort();
  };
  await expect(loop()).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(seen).toEqual({ begun: 1, ended: 1 });
  await expect(runOf(count, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(seen.begun).toBe(1);
});

test('every error is a HifiError, in the loop and in the result, and none is unhandled', async () => {
  const unhandled = jest.fn();
  process.on('unhandledRejection', unhandled);
  const failing = (error: Error) =>
    runOf<number, void>(async function* () {
      yield 1;
      throw error;
    });
  const run = failing(new TypeError('a bug'));
  const loop = async () => {
    for await (const _ of run);
  };
  await expect(loop()).rejects.toMatchObject({ name: 'HifiError', code: 'FAILED', message: 'a bug' });
  await expect(failing(invalidInput('k is 0'))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  expect(await failing(new Error('no')).catch((error) => error.code)).toBe('FAILED');
  await wait(10);
  expect(unhandled).not.toHaveBeenCalled();
  process.off('unhandledRejection', unhandled);
  await expect(run).rejects.toBeInstanceOf(HifiError);
});
