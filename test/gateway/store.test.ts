import * as fs from 'node:fs';
import * as path from 'node:path';
import * as lmdb from 'lmdb';
import { type Happening, hasEnded } from '../../gateway/record';
import { deleteJob, sweep } from '../../gateway/retention';
import { JobStore, type NewJob } from '../../gateway/store';
import { ArtifactStore } from '../../infra/artifacts/store';
import { JOB_PATH, type JobState } from '../../job/job';
import { temporaryFolder } from '../support/deltas';

const scratch = temporaryFolder('store');
// lmdb-js keeps the `open` of the process's first realm, whose `JSON` is not the one spied on here.
delete (lmdb as unknown as { nativeAddon: { open?: unknown } }).nativeAddon.open;

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

test('fifty concurrent clients with one request_id create one job', async () => {
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

test('jobs sort by creation, also within one millisecond and after a restart', async () => {
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

test('the number of waiting jobs is limited', async () => {
  const store = open();
  await store.create(job('a'), 2, full);
  await store.create(job('b'), 2, full);
  await expect(store.create(job('c'), 2, full)).rejects.toThrow('full');
  expect(store.accepted('c')).toBeUndefined();
  // The same request is no further job.
  expect((await store.create(job('b'), 2, full)).created).toBe(false);
});

test('a watcher receives past and new events without gap or repeat, and ends with the job', async () => {
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

test('watching a missing or deleted job is an error', async () => {
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

test("cancelling a watch is reported as such, not as the job's end", async () => {
  const store = open();
  const { id } = (await store.create(job('one'), 100, full)).record;
  const controller = new AbortController();
  const next = store.watch(id, 2, controller.signal).next();
  controller.abort();
  await expect(next).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('unpublished events are in order, across jobs and restarts', async () => {
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
  await store.published(first[1].position);
  await store.close();
  stores = [];
  const again = open(folder);
  expect(again.unpublished(10).map(({ event }) => [event.jobId, event.sequence])).toEqual([
    [b, 2],
    [a, 2],
  ]);
  expect(again.get(a)).toMatchObject({ state: 'ANALYZING', sequence: 2 });
});

test('without a publisher the outbox stores nothing', async () => {
  const store = open(undefined, false);
  await store.create(job('a'), 100, full);
  expect(store.unpublished(10)).toEqual([]);
});

const epochs = (count: number): Happening[] =>
  Array.from({ length: count }, (_, i) => ({
    kind: 'epoch',
    epoch: { epoch: i + 1, trainLoss: 0, dev: {}, seconds: 0 },
  }));

/** Counts the values that lmdb decodes, and the steps of its cursors, while `work` runs. */
async function readsOf(store: JobStore, work: () => unknown): Promise<number> {
  let steps = 0;
  // lmdb-js makes a class for each environment; all its tables have this prototype.
  const prototype = Object.getPrototypeOf((store as unknown as { tables: { jobs: object } }).tables.jobs);
  const { getRange } = prototype;
  const parse = jest.spyOn(JSON, 'parse');
  prototype.getRange = function (...args: unknown[]) {
    const range = getRange.apply(this, args);
    const { iterate } = range;
    range.iterate = (...given: unknown[]) => {
      const iterator = iterate(...given);
      const { next } = iterator;
      iterator.next = () => {
        steps++;
        return next.call(iterator);
      };
      return iterator;
    };
    return range;
  };
  try {
    await work();
    return steps + parse.mock.calls.length;
  } finally {
    parse.mockRestore();
    prototype.getRange = getRange;
  }
}

test('no call reads more of a store with ten times the jobs', async () => {
  const artifacts = new ArtifactStore(path.join(scratch, 'artifacts'));
  const filled = async (count: number) => {
    const store = open(undefined, false);
    const ids = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const { id } = (await store.create(job(`job-${i}`), count + 1, full)).record;
        await store.note(id, ...epochs(3), { kind: 'state', state: 'SUCCEEDED' });
        return id;
      }),
    );
    return { store, ids: ids.sort() };
  };
  const page = (jobs: Iterable<unknown>) => {
    let count = 0;
    for (const _ of jobs) if (++count === 51) return;
  };
  const calls: Record<string, (store: JobStore, ids: string[]) => unknown> = {
    create: (store) => store.create(job('new'), 100, full),
    'the next jobs to run': (store) => [...store.open()],
    'the first page': (store) => page(store.list()),
    'a later page': (store, ids) => page(store.list(ids.at(-5))),
    'a filter with matches': (store) => page(store.list(undefined, ['SUCCEEDED'])),
    'a filter without a match': (store) => page(store.list(undefined, ['FAILED', 'CANCELLED'])),
    delete: (store, ids) => deleteJob(ids[3], store, artifacts),
    sweep: (store) => sweep(store, artifacts, Date.now()),
  };
  const reads = async ({ store, ids }: Awaited<ReturnType<typeof filled>>) => {
    const counted: Record<string, number> = {};
    for (const [name, call] of Object.entries(calls)) counted[name] = await readsOf(store, () => call(store, ids));
    return counted;
  };
  const few = await reads(await filled(60));
  expect(await reads(await filled(600))).toEqual(few);
  // The counts are the reads: 51 records by 51 keys.
  expect(few['the first page']).toBeGreaterThanOrEqual(102);
});

test('the index by state matches the records, in both orders, after any change', async () => {
  const store = open();
  const ids = (await Promise.all(Array.from({ length: 12 }, (_, i) => store.create(job(`${i}`), 100, full)))).map(
    ({ record }) => record.id,
  );
  const path = [...JOB_PATH, 'FAILED', 'CANCELLED'] as const;
  for (const [i, id] of ids.entries()) {
    for (const state of path.slice(1, 1 + (i % path.length))) await store.note(id, { kind: 'state', state });
  }
  await store.delete(ids[6]);
  const all = [...store.list()];
  expect(all.map(({ id }) => id)).toEqual(ids.filter((_, i) => i !== 6).reverse());
  for (const states of [
    ['QUEUED'],
    ['TRAINING', 'QUEUED', 'ANALYZING'],
    ['SUCCEEDED', 'SUCCEEDED'],
    path,
  ] as JobState[][]) {
    const wanted = all.filter(({ state }) => states.includes(state));
    expect([...store.list(undefined, states)]).toEqual(wanted);
    expect([...store.list(ids[5], states)]).toEqual(wanted.filter(({ id }) => id < ids[5]));
  }
  const open_ = all.filter((record) => !hasEnded(record)).map(({ id }) => id);
  expect([...store.open()]).toEqual(open_.reverse());
  expect(store.endedBefore(Date.now() + 1).sort()).toEqual(
    all
      .filter(hasEnded)
      .map(({ id }) => id)
      .sort(),
  );
  expect(store.endedBefore(0)).toEqual([]);
});

test('an invalid id of any length is that of no job', async () => {
  const store = open();
  for (const id of ['', 'a'.repeat(100_000), 'é', '../x', 'none']) {
    expect(() => store.get(id)).toThrow(/no job/);
    await expect(store.note(id, { kind: 'cancelling' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(store.delete(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(store.watch(id, 1, never).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  }
});

test('a history is read by pages, and a deletion in between is reported', async () => {
  const store = open();
  const { id } = (await store.create(job('one'), 100, full)).record;
  await store.note(id, ...epochs(2000), { kind: 'state', state: 'SUCCEEDED' });
  const reader = store.watch(id, 1, never);
  const first = await readsOf(store, () => reader.next());
  expect(first).toBeLessThan(300);
  const seen: number[] = [];
  for await (const { sequence } of store.watch(id, 1, never)) seen.push(sequence);
  expect(seen).toEqual(Array.from({ length: 2002 }, (_, i) => i + 1));
  await store.delete(id);
  const rest = async () => {
    for await (const _ of reader);
  };
  await expect(rest()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a spec is stored once: changes of its job do not write it again', async () => {
  // lmdb takes its encoder when a table is opened.
  const stringify = jest.spyOn(JSON, 'stringify');
  const store = open();
  const spec = { model: 'm', text: 'x'.repeat(100_000) };
  const { id } = (await store.create({ ...job('one'), spec }, 100, full)).record;
  const before = stringify.mock.calls.length;
  await store.note(id, { kind: 'progress', stage: 'train', done: 1, total: 2, unit: 'steps' });
  const written = stringify.mock.results.slice(before).map(({ value }) => value.length);
  stringify.mockRestore();
  // The record, the event and the event's position in the outbox.
  expect(written).toHaveLength(3);
  expect(Math.max(...written)).toBeLessThan(1000);
  expect(store.spec(id)).toEqual(spec);
});

test('a store of the first layout, with specs in the records, opens without a loss', async () => {
  const folder = path.join(scratch, 'first-layout');
  fs.mkdirSync(folder);
  const old = lmdb.open({ path: folder, encoding: 'json', maxDbs: 4 });
  const tables = Object.fromEntries(
    ['jobs', 'events', 'outbox', 'requests'].map((name) => [
      name,
      old.openDB<unknown, string | (string | number)[] | number>(name, { encoding: 'json' }),
    ]),
  );
  const record = (id: string, state: JobState, more: object) => ({
    ...{ id, requestId: `request-${id}`, state, attempt: 1, epochs: 0, artifacts: [], warnings: [] },
    ...{ createTime: 1, updateTime: 5, sequence: 1, progressTime: 0, ...more },
  });
  const inline = { texts: ['a', 'b'], labels: ['0', '1'] };
  const queued = { model: 'm', train: { inline }, dev: { artifact: 'rows' } };
  await old.transaction(() => {
    tables.jobs.put(
      'a0',
      record('a0', 'SUCCEEDED', { spec: { model: 'm' }, artifacts: [{ name: 'x', sha256: 'result', sizeBytes: 1 }] }),
    );
    tables.jobs.put('a1', record('a1', 'QUEUED', { spec: queued, traceparent: 'parent' }));
    for (const id of ['a0', 'a1']) {
      tables.events.put([id, 1], { jobId: id, sequence: 1, time: 1, event: { kind: 'state', state: 'QUEUED' } });
      tables.requests.put(`request-${id}`, { id, specHash: 'hash' });
    }
    tables.outbox.put(7, ['a1', 1]);
  });
  await old.close();

  for (const time of ['converted', 'opened again']) {
    const store = open(folder);
    expect({ time, jobs: [...store.list()].map(({ id }) => id) }).toEqual({ time, jobs: ['a1', 'a0'] });
    expect(store.get('a1')).toEqual(record('a1', 'QUEUED', { traceparent: 'parent' }));
    expect(store.spec('a1')).toEqual(queued);
    expect([...store.open()]).toEqual(['a1']);
    expect([...store.list(undefined, ['SUCCEEDED'])].map(({ id }) => id)).toEqual(['a0']);
    expect(store.endedBefore(6)).toEqual(['a0']);
    expect(['result', 'rows', 'other'].map((file) => store.uses(file))).toEqual([true, true, false]);
    expect(store.accepted('request-a1')).toEqual({ id: 'a1', specHash: 'hash' });
    expect(store.unpublished(10)).toMatchObject([{ position: 7, traceparent: 'parent', event: { jobId: 'a1' } }]);
    await store.close();
    stores = [];
  }
  const store = open(folder);
  await store.note('a1', { kind: 'state', state: 'CANCELLED' });
  expect([...(await store.delete('a1'))]).toEqual(['rows']);
  expect(store.uses('rows')).toBe(false);
});
