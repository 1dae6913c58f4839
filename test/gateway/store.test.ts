import * as fs from 'node:fs';
import * as path from 'node:path';
import { JobStore, type NewJob } from '../../gateway/store';
import { JOB_PATH } from '../../job/job';
import { temporaryFolder } from '../support/deltas';

const scratch = temporaryFolder('store');
let stores: JobStore[] = [];
let count = 0;

const open = (folder = path.join(scratch, String(count++)), publishes = true) => {
  const store = new JobStore(folder, publishes);
  stores.push(store);
  return store;
};
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
});
afterAll(() => fs.rmSync(scratch, { recursive: true }));

const job = (requestId: string, specHash = 'hash'): NewJob => ({
  requestId,
  spec: { model: 'm' },
  specHash,
  traceparent: undefined,
});
const full = {
  full() {
    throw new Error('full');
  },
  otherSpec(id: string) {
    throw new Error(`another spec: ${id}`);
  },
};
const never = new AbortController().signal;

test('one job for a request_id, from fifty clients at once', async () => {
  const store = open();
  const made = await Promise.all(Array.from({ length: 50 }, () => store.create(job('one'), 100, full)));
  expect(new Set(made.map(({ record }) => record.id)).size).toBe(1);
  expect(made.filter(({ created }) => created)).toHaveLength(1);
  expect([...store.list()]).toHaveLength(1);
});

test('the same request_id with another spec is refused, and names the job', async () => {
  const store = open();
  const { record } = await store.create(job('one'), 100, full);
  await expect(store.create(job('one', 'other'), 100, full)).rejects.toMatchObject({
    message: `another spec: ${record.id}`,
  });
});

test('jobs sort as they came, also in one millisecond and after a restart', async () => {
  const folder = path.join(scratch, 'ordered');
  const ids: string[] = [];
  for (const half of [0, 1]) {
    const store = open(folder);
    const made = await Promise.all(Array.from({ length: 50 }, (_, i) => store.create(job(`${half}-${i}`), 1000, full)));
    ids.push(...made.map(({ record }) => record.id));
    await store.close();
    stores = [];
  }
  expect(ids).toEqual([...ids].sort());
  expect(new Set(ids).size).toBe(100);
});

test('no more jobs wait than may', async () => {
  const store = open();
  await store.create(job('a'), 2, full);
  await store.create(job('b'), 2, full);
  await expect(store.create(job('c'), 2, full)).rejects.toThrow('full');
  expect(store.accepted('c')).toBeUndefined();
  // The same job again is no other one.
  expect((await store.create(job('b'), 2, full)).created).toBe(false);
});

test('a watcher sees what was and what comes, without gap or repeat, and ends with the job', async () => {
  const store = open();
  const { id } = (await store.create(job('one'), 100, full)).record;
  const watch = async (from: number) => {
    const seen: number[] = [];
    for await (const { sequence } of store.watch(id, from, never)) seen.push(sequence);
    return seen;
  };
  const early = watch(1);
  for (let i = 1; i <= 30; i++) {
    await store.note(id, { kind: 'epoch', epoch: { epoch: i, trainLoss: 0, dev: {}, seconds: 0 } });
    if (i === 15) await new Promise(setImmediate);
  }
  const late = watch(10);
  const many = Array.from({ length: 100 }, () => watch(1));
  for (const state of JOB_PATH.slice(1)) await store.note(id, { kind: 'state', state });
  const all = Array.from({ length: 37 }, (_, i) => i + 1);
  expect(await early).toEqual(all);
  expect(await late).toEqual(all.slice(9));
  for (const seen of await Promise.all(many)) expect(seen).toEqual(all);
  expect(await watch(1)).toEqual(all);
});

test('a watcher of no job, and one whose job is deleted, are told', async () => {
  const store = open();
  await expect(store.watch('none', 1, never).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { id } = (await store.create(job('one'), 100, full)).record;
  const events = store.watch(id, 2, never);
  const next = events.next();
  await store.delete(id);
  await expect(next).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(store.accepted('one')).toBeUndefined();
  expect(store.eventsFrom(id, 1)).toEqual([]);
});

test('a watcher that leaves is told that it left, not that the job has ended', async () => {
  const store = open();
  const { id } = (await store.create(job('one'), 100, full)).record;
  const controller = new AbortController();
  const next = store.watch(id, 2, controller.signal).next();
  controller.abort();
  await expect(next).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('what is to be published is there in order, across jobs and restarts', async () => {
  const folder = path.join(scratch, 'restarted');
  const store = open(folder);
  const a = (await store.create({ ...job('a'), traceparent: 'parent-a' }, 100, full)).record.id;
  const b = (await store.create(job('b'), 100, full)).record.id;
  await store.note(b, { kind: 'state', state: 'ANALYZING' });
  await store.note(a, { kind: 'state', state: 'ANALYZING' });
  const first = store.unpublished(2);
  expect(first.map(({ event }) => [event.jobId, event.sequence])).toEqual([
    [a, 1],
    [b, 1],
  ]);
  expect(first.map(({ traceparent }) => traceparent)).toEqual(['parent-a', undefined]);
  await store.published(first[1].place);
  await store.close();
  stores = [];
  const again = open(folder);
  expect(again.unpublished(10).map(({ event }) => [event.jobId, event.sequence])).toEqual([
    [b, 2],
    [a, 2],
  ]);
  expect(again.get(a)).toMatchObject({ state: 'ANALYZING', sequence: 2 });
});

test('without a publisher nothing is kept for one', async () => {
  const store = open(undefined, false);
  await store.create(job('a'), 100, full);
  expect(store.unpublished(10)).toEqual([]);
});
