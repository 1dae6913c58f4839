import { type Happening, hasEnded } from '../../gateway/record';
import type { Claim } from '../../gateway/store';
import { JOB_PATH, type JobState } from '../../job/job';
import { all, created, epochs, newJobOf, refusals } from './sample-jobs';
import { STORES } from './store-kinds';

/* The behaviour of every store. */
describe.each(STORES)('$name', (kind) => {
  beforeAll(() => kind.start());
  afterEach(() => kind.clear());
  afterAll(() => kind.stop());

  const never = new AbortController().signal;

  test('fifty concurrent clients with one request_id create one job', async () => {
    const store = await kind.open();
    const made = await Promise.all(Array.from({ length: 50 }, () => store.create(newJobOf('one'), 100, refusals)));
    expect(new Set(made.map(({ record }) => record.id)).size).toBe(1);
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    expect(await all(store.list())).toHaveLength(1);
  });

  test('the same request_id with another spec is refused, and names the job', async () => {
    const store = await kind.open();
    const { record } = await store.create(newJobOf('one'), 100, refusals);
    await expect(store.create(newJobOf('one', 'other'), 100, refusals)).rejects.toMatchObject({
      message: `another spec: ${record.id}`,
    });
  });

  test('jobs sort by creation, also within one millisecond and after a restart', async () => {
    const ids: string[] = [];
    let store = await kind.open();
    for (const half of [0, 1]) {
      const made = await Promise.all(
        Array.from({ length: 50 }, (_, i) => store.create(newJobOf(`${half}-${i}`), 1000, refusals)),
      );
      ids.push(...made.map(({ record }) => record.id));
      store = await kind.reopen(store);
    }
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(100);
  });

  test('the number of waiting jobs is limited', async () => {
    const store = await kind.open();
    await store.create(newJobOf('a'), 2, refusals);
    await store.create(newJobOf('b'), 2, refusals);
    await expect(store.create(newJobOf('c'), 2, refusals)).rejects.toThrow('full');
    expect(await store.accepted('c')).toBeUndefined();
    // The same request is no further job.
    expect((await store.create(newJobOf('b'), 2, refusals)).created).toBe(false);
  });

  test('a watcher receives past and new events without gap or repeat, and ends with the job', async () => {
    const store = await kind.open();
    const { id } = (await store.create(newJobOf('one'), 100, refusals)).record;
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
    const numbers = Array.from({ length: 37 }, (_, i) => i + 1);
    expect(await early).toEqual(numbers);
    expect(await late).toEqual(numbers.slice(9));
    for (const seen of await Promise.all(many)) expect(seen).toEqual(numbers);
    expect(await watch(1)).toEqual(numbers);
  });

  test('watching a missing or deleted job is an error', async () => {
    const store = await kind.open();
    await expect(store.watch('none', 1, never).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const { id } = (await store.create(newJobOf('one'), 100, refusals)).record;
    const events = store.watch(id, 2, never);
    const next = events.next();
    await store.delete(id);
    await expect(next).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await store.accepted('one')).toBeUndefined();
  });

  test("cancelling a watch is reported as such, not as the job's end", async () => {
    const store = await kind.open();
    const { id } = (await store.create(newJobOf('one'), 100, refusals)).record;
    const controller = new AbortController();
    const next = store.watch(id, 2, controller.signal).next();
    controller.abort();
    await expect(next).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('the index by state matches the records, in both orders, after any change', async () => {
    const store = await kind.open();
    const ids = (
      await Promise.all(Array.from({ length: 12 }, (_, i) => store.create(newJobOf(`${i}`), 100, refusals)))
    ).map(({ record }) => record.id);
    const path = [...JOB_PATH, 'FAILED', 'CANCELLED'] as const;
    for (const [i, id] of ids.entries()) {
      for (const state of path.slice(1, 1 + (i % path.length))) await store.note(id, { kind: 'state', state });
    }
    await store.note(ids[6], { kind: 'state', state: 'CANCELLED' });
    await store.delete(ids[6]);
    const left = await all(store.list());
    expect(left.map(({ id }) => id)).toEqual(ids.filter((_, i) => i !== 6).reverse());
    for (const states of [
      ['QUEUED'],
      ['TRAINING', 'QUEUED', 'ANALYZING'],
      ['SUCCEEDED', 'SUCCEEDED'],
      path,
    ] as JobState[][]) {
      const wanted = left.filter(({ state }) => states.includes(state));
      expect(await all(store.list(undefined, states))).toEqual(wanted);
      expect(await all(store.list(ids[5], states))).toEqual(wanted.filter(({ id }) => id < ids[5]));
    }
    const ended = left.filter(hasEnded).map(({ id }) => id);
    expect((await store.endedBefore(Date.now() + 1)).sort()).toEqual(ended.sort());
    expect(await store.endedBefore(0)).toEqual([]);
  });

  test('jobs are claimed once, the oldest first, and again after their release', async () => {
    const store = await kind.open();
    const ids = [await created(store, 'a'), await created(store, 'b'), await created(store, 'c')];
    const claim = async () => (await store.claim(never)) as Claim;
    const [first, second] = [await claim(), await claim()];
    expect([first.id, second.id]).toEqual(ids.slice(0, 2));
    expect(await Promise.all(ids.map((id) => store.isDriven(id)))).toEqual([true, true, false]);
    await first.note({ kind: 'attempt' }, { kind: 'state', state: 'SUCCEEDED' });
    await second.note({ kind: 'attempt' }, { kind: 'state', state: 'ANALYZING' });
    await first.release();
    await second.release();
    const rest = [await claim(), await claim()];
    expect(rest.map(({ id }) => id).sort()).toEqual(ids.slice(1));
    // No job is left: a claim waits for the next one.
    const next = claim();
    const id = await created(store, 'd');
    expect((await next).id).toBe(id);
    expect(await store.claim(AbortSignal.abort())).toBeUndefined();
  });

  test("a cancellation ends a claim, and a job's end is not changed", async () => {
    const store = await kind.open();
    const id = await created(store, 'a');
    const claim = (await store.claim(never)) as Claim;
    const over = new Promise((resolve) => claim.over.addEventListener('abort', resolve));
    await store.note(id, { kind: 'cancelling' });
    await over;
    const ended = await claim.note({ kind: 'state', state: 'CANCELLED' });
    expect(await store.note(id, { kind: 'state', state: 'SUCCEEDED' }, { kind: 'warning', message: 'late' })).toEqual(
      ended,
    );
    expect(await store.get(id)).toEqual(ended);
  });

  test('a record survives a restart, with its spec, and its files are in use until it is deleted', async () => {
    let store = await kind.open();
    const [result, replaced, rows, other] = ['1', '2', '3', '4'].map((digit) => digit.repeat(64));
    const spec = { model: 'm', train: { artifact: rows } };
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { id } = (await store.create({ ...newJobOf('a'), spec, traceparent }, 100, refusals)).record;
    const artifact = (name: string, sha256: string): Happening => ({
      kind: 'artifact',
      artifact: { name, sha256, sizeBytes: 7 },
    });
    const error = { code: 13, reason: 'FAILED', message: 'it failed', violations: [{ field: 'f', description: 'd' }] };
    const phase = { state: 'TRAINING', spanId: '0'.repeat(16), from: 1, told: false } as const;
    await store.note(id, { kind: 'attempt' }, { kind: 'state', state: 'TRAINING' }, { kind: 'phase', phase });
    await store.note(id, artifact('heads.json', replaced), { kind: 'warning', message: 'slow' });
    await store.note(id, ...epochs(2), artifact('heads.json', result), { kind: 'checkpoint', step: 3 });
    await store.note(id, { kind: 'progress', stage: 'train', done: 1, total: 3, unit: 'steps', rate: 0.1 });
    await store.note(id, { kind: 'error', error }, { kind: 'state', state: 'FAILED' });
    const before = await store.get(id);
    expect(before).toMatchObject({ state: 'FAILED', attempt: 1, epochs: 2, warnings: ['slow'], traceparent, error });
    store = await kind.reopen(store);
    expect(await store.get(id)).toEqual(before);
    expect(await store.spec(id)).toEqual(spec);
    const used = async () => Promise.all([result, rows, other].map((sha256) => store.uses(sha256)));
    expect(await used()).toEqual([true, true, false]);
    const release = store.hold(other);
    expect(await used()).toEqual([true, true, true]);
    release();
    expect([...(await store.delete(id))]).toEqual(expect.arrayContaining([result, rows]));
    expect(await used()).toEqual([false, false, false]);
  });

  test('an invalid id of any length is that of no job', async () => {
    const store = await kind.open();
    for (const id of ['', 'a'.repeat(100_000), 'é', '../x', 'none']) {
      await expect(store.get(id)).rejects.toThrow(/no job/);
      await expect(store.note(id, { kind: 'cancelling' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(store.delete(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(store.watch(id, 1, never).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('a long history is read whole, and a deletion in between is reported', async () => {
    const store = await kind.open();
    const id = await created(store, 'one');
    await store.note(id, ...epochs(900));
    await store.note(id, { kind: 'state', state: 'SUCCEEDED' });
    const reader = store.watch(id, 1, never);
    await reader.next();
    const seen = (await all(store.watch(id, 1, never))).map(({ sequence }) => sequence);
    expect(seen).toEqual(Array.from({ length: 902 }, (_, i) => i + 1));
    await store.delete(id);
    await expect(all(reader)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
