import * as fs from 'node:fs';
import { pino } from 'pino';
import { HifiError, noRoom } from '../../foundation/errors';
import { LmdbStore } from '../../gateway/lmdb-store';
import { type Attempt, SCHEDULER_DEFAULTS, Scheduler } from '../../gateway/scheduler';
import { openLog } from '../../infra/log';
import { LogFile } from '../../infra/log-file';
import { RpcError, status } from '../../proto/status';
import { temporaryFolder } from '../support/deltas';

const log = pino({ level: 'silent' });
const refused = () => {
  throw new Error('refused');
};
const never = { full: refused, otherSpec: refused };
let folder: string;
let store: LmdbStore;
let scheduler: Scheduler;

beforeEach(() => {
  folder = temporaryFolder('scheduler');
  store = new LmdbStore(folder, false);
});
afterEach(async () => {
  await scheduler.drain();
  await store.close();
  fs.rmSync(folder, { recursive: true });
});

function start(attempt: Attempt, limits = SCHEDULER_DEFAULTS, logger = log): void {
  scheduler = new Scheduler(store, attempt, logger, limits);
  scheduler.start();
}

async function create(requestId: string): Promise<string> {
  const job = { requestId, spec: {}, specHash: requestId, traceparent: undefined };
  return (await store.create(job, 100, never)).record.id;
}

/** Waits for a job's end. @returns its states */
async function ended(id: string) {
  const states: string[] = [];
  for await (const { event } of store.watch(id, 1, new AbortController().signal)) {
    if (event.kind === 'state') states.push(event.state);
  }
  return states;
}

const succeed: Attempt = async (claim) => {
  await claim.note({ kind: 'attempt' }, { kind: 'state', state: 'SUCCEEDED' });
};
const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    const end = () => reject(new HifiError('CANCELLED', 'cancelled'));
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  });
const lost = () => new RpcError(status.UNAVAILABLE, 'ENGINE_LOST', 'the engine was ended by SIGKILL');

test('jobs run one at a time, in the order of their creation', async () => {
  const began: string[] = [];
  let atWork = 0;
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push(await create(`job-${i}`));
  start(async (claim, ...rest) => {
    began.push(claim.id);
    expect(++atWork).toBe(1);
    await new Promise(setImmediate);
    atWork--;
    await succeed(claim, ...rest);
  });
  await Promise.all(ids.map(ended));
  expect(began).toEqual(ids);
});

test('a job that is created later starts by itself', async () => {
  start(succeed);
  expect(await ended(await create('late'))).toEqual(['QUEUED', 'SUCCEEDED']);
});

test('a job waits for a service that is away or busy', async () => {
  let attempts = 0;
  const away = new RpcError(status.UNAVAILABLE, 'UNAVAILABLE', 'no connection');
  const busy = new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', 'busy', { retrySeconds: 0.01 });
  start(async (claim, ...rest) => {
    attempts++;
    // The driver wraps what a stage throws.
    if (attempts === 1) throw new HifiError('FAILED', away.message, away);
    if (attempts < 6) throw busy;
    await succeed(claim, ...rest);
  });
  expect(await ended(await create('patient'))).toEqual(['QUEUED', 'SUCCEEDED']);
  expect(attempts).toBe(6);
});

test('a job waits longer for room on a disk than for a service that is away', async () => {
  let tries = 0;
  const id = await create('full');
  const limits = { ...SCHEDULER_DEFAULTS, awayMs: 0 };
  const attempt: Attempt = async (...given) => {
    if (++tries < 3) throw noRoom('training.safetensors cannot be written: its disk is full, with 0 bytes free');
    await succeed(...given);
  };
  start(attempt, limits);
  expect(await ended(id)).toEqual(['QUEUED', 'SUCCEEDED']);
  expect(tries).toBe(3);
});

test('a job is created and started although the log has no room', async () => {
  const full = fs.openSync('/dev/full', 'w');
  start(succeed, SCHEDULER_DEFAULTS, openLog('gateway', new LogFile(full)));
  expect(await ended(await create('logged'))).toEqual(['QUEUED', 'SUCCEEDED']);
  fs.closeSync(full);
});

test('a job fails if its engine is lost repeatedly without new progress', async () => {
  let attempts = 0;
  start(async (_id, _signal, onAnswer) => {
    attempts++;
    onAnswer(false);
    throw lost();
  });
  const id = await create('lost');
  expect(await ended(id)).toEqual(['QUEUED', 'FAILED']);
  expect(attempts).toBe(SCHEDULER_DEFAULTS.lostEngines);
  expect((await store.get(id)).error).toMatchObject({ reason: 'ENGINE_LOST', code: status.UNAVAILABLE });
  await scheduler.drain();

  let advances = 0;
  start(async (claim, signal, onAnswer) => {
    onAnswer(true);
    if (++advances < 8) throw lost();
    await succeed(claim, signal, onAnswer);
  });
  expect(await ended(await create('advancing'))).toEqual(['QUEUED', 'SUCCEEDED']);
});

test('bad input fails the job at once and names the field', async () => {
  let attempts = 0;
  start(async () => {
    attempts++;
    const error = new HifiError('INVALID_INPUT', 'train.tsv: row 3 has no label');
    error.field = 'train';
    throw error;
  });
  const id = await create('bad');
  expect(await ended(id)).toEqual(['QUEUED', 'FAILED']);
  expect(attempts).toBe(1);
  expect((await store.get(id)).error).toEqual({
    code: status.INVALID_ARGUMENT,
    reason: 'INVALID_INPUT',
    message: 'train.tsv: row 3 has no label',
    violations: [{ field: 'train', description: 'train.tsv: row 3 has no label' }],
  });
});

test('cancelling ends a running or waiting job, and does not change an ended one', async () => {
  const begun = new Set<string>();
  start((claim, signal) => {
    begun.add(claim.id);
    return aborted(signal);
  });
  const [running, waiting] = [await create('running'), await create('waiting')];
  while (!begun.has(running)) await new Promise(setImmediate);
  await scheduler.cancel(waiting);
  expect((await store.get(waiting)).state).toBe('CANCELLED');
  await scheduler.cancel(running);
  expect(await ended(running)).toEqual(['QUEUED', 'CANCELLED']);
  await scheduler.cancel(running);
  expect(begun.has(waiting)).toBe(false);
  await expect(scheduler.cancel('none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('draining interrupts a job without ending it; the next scheduler resumes it or completes its cancellation', async () => {
  let begun = false;
  start(async (claim, signal) => {
    await claim.note({ kind: 'attempt' }, { kind: 'state', state: 'TRAINING' });
    begun = true;
    return aborted(signal);
  });
  const id = await create('interrupted');
  while (!begun) await new Promise(setImmediate);
  const wished = await create('wished');
  await scheduler.drain();
  expect((await store.get(id)).state).toBe('TRAINING');
  await store.note(wished, { kind: 'cancelling' });
  start(succeed);
  expect(await ended(id)).toEqual(['QUEUED', 'TRAINING', 'SUCCEEDED']);
  expect(await ended(wished)).toEqual(['QUEUED', 'CANCELLED']);
  expect((await store.get(id)).attempt).toBe(2);
});

test('a job whose store fails is not tried again at once', async () => {
  await create('broken');
  const note = jest.spyOn(store, 'note').mockRejectedValue(new Error('EIO: i/o error'));
  let attempts = 0;
  start(async (_, signal) => {
    // An immediate new attempt would never release the thread.
    if (++attempts > 20) return aborted(signal);
    throw new Error('bad sector');
  });
  // Each turn would bring another attempt.
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  await scheduler.drain();
  note.mockRestore();
  expect(attempts).toBe(1);
});
