import * as fs from 'node:fs';
import * as path from 'node:path';
import * as lmdb from 'lmdb';
import { LmdbStore } from '../../gateway/lmdb-store';
import { deleteJob, sweep } from '../../gateway/retention';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import type { JobState } from '../../job/job';
import { temporaryFolder } from '../support/deltas';
import { all, epochs, newJobOf, refusals } from './sample-jobs';

const scratch = temporaryFolder('store');
// lmdb-js keeps the `open` of the process's first realm, whose `JSON` is not the one spied on here.
delete (lmdb as unknown as { nativeAddon: { open?: unknown } }).nativeAddon.open;

let stores: LmdbStore[] = [];
let count = 0;

const open = (folder = path.join(scratch, String(count++)), publishes = true) => {
  const store = new LmdbStore(folder, publishes);
  stores.push(store);
  return store;
};
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  stores = [];
});
afterAll(() => fs.rmSync(scratch, { recursive: true }));

const never = new AbortController().signal;

test('unpublished events are in order, across jobs and restarts', async () => {
  const folder = path.join(scratch, 'restarted');
  const store = open(folder);
  const a = (await store.create({ ...newJobOf('a'), traceparent: 'parent-a' }, 100, refusals)).record.id;
  const b = (await store.create(newJobOf('b'), 100, refusals)).record.id;
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
  expect(await again.get(a)).toMatchObject({ state: 'ANALYZING', sequence: 2 });
});

test('without a publisher the outbox stores nothing', async () => {
  const store = open(undefined, false);
  await store.create(newJobOf('a'), 100, refusals);
  expect(store.unpublished(10)).toEqual([]);
});

/** Counts the values that lmdb decodes, and the steps of its cursors, while `work` runs. */
async function readsOf(store: LmdbStore, work: () => unknown): Promise<number> {
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
  const artifacts = new FolderArtifacts(path.join(scratch, 'artifacts'));
  const filled = async (count: number) => {
    const store = open(undefined, false);
    const ids = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const { id } = (await store.create(newJobOf(`job-${i}`), count + 1, refusals)).record;
        await store.note(id, ...epochs(3), { kind: 'state', state: 'SUCCEEDED' });
        return id;
      }),
    );
    return { store, ids: ids.sort() };
  };
  const page = async (jobs: AsyncIterable<unknown>) => {
    let count = 0;
    for await (const _ of jobs) if (++count === 51) return;
  };
  const calls: Record<string, (store: LmdbStore, ids: string[]) => unknown> = {
    create: (store) => store.create(newJobOf('new'), 100, refusals),
    'the next job to run': (store) => store.claim(never),
    'the first page': (store) => page(store.list()),
    'a later page': (store, ids) => page(store.list(ids.at(-5))),
    'a filter with matches': (store) => page(store.list(undefined, ['SUCCEEDED'])),
    'a filter without a match': (store) => page(store.list(undefined, ['FAILED', 'CANCELLED'])),
    delete: (store, ids) => deleteJob(ids[3], store, artifacts),
    sweep: (store) => sweep({ store, artifacts }, Date.now()),
  };
  const reads = async ({ store, ids }: Awaited<ReturnType<typeof filled>>) => {
    const counted: Record<string, number> = {};
    for (const [name, call] of Object.entries(calls)) counted[name] = await readsOf(store, () => call(store, ids));
    return counted;
  };
  const few = await reads(await filled(80));
  expect(await reads(await filled(800))).toEqual(few);
  // The counts are the reads: 51 records by 51 keys.
  expect(few['the first page']).toBeGreaterThanOrEqual(102);
});

test('a history is read by pages, and a deletion in between is reported', async () => {
  const store = open();
  const { id } = (await store.create(newJobOf('one'), 100, refusals)).record;
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
  const { id } = (await store.create({ ...newJobOf('one'), spec }, 100, refusals)).record;
  const before = stringify.mock.calls.length;
  await store.note(id, { kind: 'progress', stage: 'train', done: 1, total: 2, unit: 'steps' });
  const written = stringify.mock.results.slice(before).map(({ value }) => value.length);
  stringify.mockRestore();
  // The record, the event and the event's position in the outbox.
  expect(written).toHaveLength(3);
  expect(Math.max(...written)).toBeLessThan(1000);
  expect(await store.spec(id)).toEqual(spec);
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
    expect({ time, jobs: (await all(store.list())).map(({ id }) => id) }).toEqual({ time, jobs: ['a1', 'a0'] });
    expect(await store.get('a1')).toEqual(record('a1', 'QUEUED', { traceparent: 'parent' }));
    expect(await store.spec('a1')).toEqual(queued);
    expect((await store.claim(never))?.id).toBe('a1');
    expect((await all(store.list(undefined, ['SUCCEEDED']))).map(({ id }) => id)).toEqual(['a0']);
    expect(await store.endedBefore(6)).toEqual(['a0']);
    const used = ['result', 'rows', 'other'].map((file) => store.uses(file));
    expect(await Promise.all(used)).toEqual([true, true, false]);
    expect(await store.accepted('request-a1')).toEqual({ id: 'a1', specHash: 'hash' });
    expect(store.unpublished(10)).toMatchObject([{ position: 7, traceparent: 'parent', event: { jobId: 'a1' } }]);
    await store.close();
    stores = [];
  }
  const store = open(folder);
  await store.note('a1', { kind: 'state', state: 'CANCELLED' });
  expect([...(await store.delete('a1'))]).toEqual(['rows']);
  expect(await store.uses('rows')).toBe(false);
});
