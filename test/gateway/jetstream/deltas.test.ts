import { JetStreamStore } from '../../../gateway/jetstream/store';
import { promoted, withVersion } from '../../../gateway/registry/named-delta';
import { isStoreAway } from '../../../gateway/store';
import { type NatsServer, startNats } from '../../support/nats';
import { until } from '../../support/until';
import { silent } from '../outbox-jobs';

/** Changes of each gateway before the server's first end, between two ends and after the last. */
const CHANGES = 15;
const ENDS = 3;

let nats: NatsServer;
let stores: JetStreamStore[];

beforeAll(async () => {
  nats = await startNats({ jetstream: true });
  stores = await Promise.all([0, 1].map(() => JetStreamStore.open(nats.url, silent)));
});
afterAll(async () => {
  for (const store of stores ?? []) await store.close();
  await nats?.stop();
});

test('each change of two gateways is made once while the server is killed', async () => {
  const done: string[] = [];
  /** Registers a version and promotes it; repeats only what the server has not answered. */
  const change = async ({ deltas }: JetStreamStore, file: string) => {
    const base = { name: 'base', sha256: 'b'.repeat(64) };
    const content = { files: { info: file, tensors: file }, base, jobId: file };
    let version = 0;
    const register = () =>
      deltas.change('n', (before) => {
        const { after, version: added } = withVersion(before, 'n', content, 1);
        version = added.version;
        return after;
      });
    await unlessAway(register);
    await unlessAway(() => deltas.change('n', (before) => promoted(before!, 'prod', version)));
    done.push(file);
  };
  const work = stores.map(async (store, i) => {
    for (let n = 0; n < CHANGES * (ENDS + 1); n++) await change(store, `${i} ${n}`);
  });
  for (let end = 1; end <= ENDS; end++) {
    const count = end * CHANGES;
    await until(
      () => done.length,
      (length) => length >= count,
      'the changes',
    );
    await nats.restart();
  }
  await Promise.all(work);
  const records = await Promise.all(stores.map(({ deltas }) => deltas.get('n')));
  expect(records[1]).toEqual(records[0]);
  const { versions, aliases } = records[0].delta!;
  expect(versions.map(({ version }) => version)).toEqual(done.map((_, i) => i + 1));
  expect(versions.map(({ files }) => files.info).sort()).toEqual(done.sort());
  // The history has each version once, in any order; it holds the last hundred.
  expect(new Set(aliases.prod).size).toBe(aliases.prod.length);
  expect(aliases.prod).toHaveLength(100);
});

async function unlessAway(work: () => Promise<unknown>): Promise<void> {
  await until(
    () =>
      work().then(
        () => true,
        (error) => {
          if (!isStoreAway(error)) throw error;
          return false;
        },
      ),
    (isDone) => isDone,
    'the store',
  );
}
