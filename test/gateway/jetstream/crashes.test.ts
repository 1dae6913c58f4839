import { setMaxListeners } from 'node:events';
import * as fs from 'node:fs';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { JetStreamStore } from '../../../gateway/jetstream/store';
import { type Attempt, Scheduler } from '../../../gateway/scheduler';
import type { Claim } from '../../../gateway/store';
import { JOB_PATH } from '../../../job/job';
import { temporaryFolder } from '../../support/deltas';
import { type NatsServer, startNats } from '../../support/nats';
import { startNatsProxy } from '../../support/nats-proxy';
import { until } from '../../support/until';
import { happening, silent, withJetStream } from '../outbox-jobs';
import { all, created, epochs } from '../sample-jobs';
import { faultsIn, messagesOf } from './stream-faults';

/* A gateway that ends after any of its writes, and a server that restarts while jobs are driven. */
const LEASE_MS = 500;
/** Number of accounts of the server: each has streams of its own. */
const ACCOUNTS = 48;
/** Unfinished batches that a stream of the server has at most. */
const MOST_BATCHES = 50;
const LIMITS = { running: 1, waiting: 100, lostEngines: 3, awayMs: 60_000 };
const WRITES = /^(hifi\.v1\.|\$KV\.|\$JS\.ACK\.|\$JS\.API\.STREAM\.(MSG\.DELETE|PURGE)\.)/;
const never = new AbortController().signal;
setMaxListeners(0, never);

let nats: NatsServer;

beforeAll(async () => {
  const accounts = Array.from(
    { length: ACCOUNTS },
    (_, i) => `A${i} { jetstream: enabled, users: [ { user: "a${i}", password: "a" } ] }`,
  );
  nats = await startNats({ jetstream: true, config: `accounts { ${accounts.join('\n')} }` });
});
afterAll(() => nats?.stop());

const urlOf = (account: number, port = nats.port) => `nats://a${account}:a@127.0.0.1:${port}`;

const attempt: Attempt = async (claim) => {
  await claim.note({ kind: 'attempt' });
  for (const state of JOB_PATH.slice(1, -1)) await claim.note({ kind: 'state', state });
  await claim.note(...epochs(2), happening(1), { kind: 'state', state: 'SUCCEEDED' });
};

const stateOf = async (store: JetStreamStore) => (await all(store.list())).map(({ state }) => state).join();
const countIn = (url: string, stream: string) =>
  withJetStream(url, async ({ streams }) => (await streams.info(stream)).state.messages);

/**
 * Runs `work` on a store of an account, whose connection ends after a number of its writes.
 *
 * @returns number of its writes
 */
async function struck(account: number, most: number, work: typeof createAndDrive): Promise<number> {
  let writes = 0;
  const ended = new AbortController();
  const proxy = await startNatsProxy(nats.port, (subject) => {
    if (!WRITES.test(subject) || ended.signal.aborted || ++writes < most) return;
    ended.abort();
    proxy.cut();
  });
  const store = await JetStreamStore.open(urlOf(account, proxy.port), silent, LEASE_MS);
  const cut = new Promise((resolve) => ended.signal.addEventListener('abort', resolve));
  const done = work(store, account).catch((error) => {
    if (!ended.signal.aborted) throw error;
  });
  try {
    await Promise.race([done, cut]);
  } finally {
    await store.close();
    proxy.cut();
  }
  return writes;
}

/** Creates a job, unless it exists, and drives it to its end. */
async function createAndDrive(store: JetStreamStore, account: number): Promise<void> {
  await created(store, 'crash');
  const scheduler = new Scheduler(store, attempt, silent, LIMITS);
  scheduler.start();
  const left = async () => [await stateOf(store), await countIn(urlOf(account), 'HIFI_WORK')].join();
  await until(left, (state) => state === 'SUCCEEDED,0', 'the end of the job');
  await scheduler.drain();
}

/** Deletes the job, unless it has been deleted. */
async function remove(store: JetStreamStore): Promise<void> {
  for (const { id } of await all(store.list())) await store.delete(id);
}

/** Numbers of writes after which a gateway ends, with an account each. */
const pointsTo = (writes: number) => Array.from({ length: writes }, (_, i) => i + 1);

/** Runs `work` on a new store of an account. */
async function undisturbed(account: number, work: typeof createAndDrive): Promise<void> {
  const store = await JetStreamStore.open(urlOf(account), silent, LEASE_MS);
  try {
    await work(store, account);
  } finally {
    await store.close();
  }
}

test('a job is driven to its end, once and without a gap, after a crash between any two writes', async () => {
  const writes = await struck(0, Number.POSITIVE_INFINITY, createAndDrive);
  expect(writes).toBeGreaterThan(15);
  expect(writes).toBeLessThan(ACCOUNTS - 1);
  await Promise.all(
    pointsTo(writes).map(async (most) => {
      await struck(most, most, createAndDrive);
      await undisturbed(most, createAndDrive);
      expect([most, faultsIn(await messagesOf(urlOf(most)))]).toEqual([most, []]);
    }),
  );
});

test('a deletion that was interrupted between any two writes can be repeated', async () => {
  const writes = await struck(0, Number.POSITIVE_INFINITY, remove);
  expect(writes).toBeGreaterThan(2);
  await Promise.all(
    pointsTo(writes).map(async (most) => {
      await struck(most, most, remove);
      await undisturbed(most, remove);
      expect([most, await countIn(urlOf(most), 'HIFI_EVENTS')]).toEqual([most, 0]);
    }),
  );
});

test('a repeated deletion leaves a newer job with the same request id', async () => {
  const account = 0;
  await struck(account, Number.POSITIVE_INFINITY, createAndDrive);
  await struck(account, 1, remove); // its first write removes the request id
  await undisturbed(account, async (store) => {
    const [older] = await all(store.list());
    const newer = await created(store, 'crash');
    expect(newer).not.toBe(older.id);
    await store.delete(older.id);
    expect((await store.accepted('crash'))?.id).toBe(newer);
    await store.delete(newer);
    expect(await store.accepted('crash')).toBeUndefined();
  });
});

test('a server that restarts delivers an open job again, after later ones have left the queue', async () => {
  const server = await startNats({ jetstream: true });
  try {
    const first = await JetStreamStore.open(server.url, silent, LEASE_MS);
    const claims: Claim[] = [];
    for (const name of ['open', 'ended', 'ended too']) {
      await created(first, name);
      claims.push((await first.claim(never)) as Claim);
    }
    // A purge by subject instead of a deletion would lose the delivery of the first.
    for (const claim of claims.slice(1)) {
      await claim.note({ kind: 'state', state: 'FAILED' });
      await claim.release();
    }
    await first.close();
    // An orderly end stores what the consumer knows.
    await server.kill('SIGTERM');
    await server.restart();
    const second = await JetStreamStore.open(server.url, silent, LEASE_MS);
    const claim = await second.claim(AbortSignal.timeout(20_000));
    expect(claim?.id).toBe(claims[0].id);
    await second.close();
  } finally {
    await server.stop();
  }
});

test('a job is not taken for unknown while the server is behind', async () => {
  const [storeDir, earlier] = [temporaryFolder('behind'), temporaryFolder('earlier')];
  const server = await startNats({ jetstream: true, storeDir });
  try {
    const store = await JetStreamStore.open(server.url, silent, LEASE_MS);
    const first = await created(store, 'first');
    await server.kill();
    fs.cpSync(storeDir, earlier, { recursive: true });
    await server.restart();
    const id = await until(() => created(store, 'second'), Boolean, 'a second job');
    // As a leader that does not have the latest acknowledged messages yet.
    await server.kill();
    fs.rmSync(storeDir, { recursive: true });
    fs.cpSync(earlier, storeDir, { recursive: true });
    await server.restart();
    expect((await until(() => store.get(first), Boolean, 'the server')).id).toBe(first);
    await expect(store.get(id)).rejects.toMatchObject({ reason: 'STORE_AWAY' });
    await store.close();
  } finally {
    await server.stop();
    for (const folder of [storeDir, earlier]) fs.rmSync(folder, { recursive: true, force: true });
  }
});

test('a batch that the server has not taken is no fault of its job', async () => {
  const account = ACCOUNTS - 1;
  const store = await JetStreamStore.open(urlOf(account), silent, LEASE_MS);
  await withJetStream(urlOf(account), async (manager) => {
    const { nc } = manager.jetstream() as unknown as { nc: NatsConnection };
    // Writers that ended within a batch: the server takes no further one for a while.
    for (let i = 0; i < MOST_BATCHES; i++) {
      const fields = headers();
      fields.set('Nats-Batch-Id', `unfinished-${i}`);
      fields.set('Nats-Batch-Sequence', '1');
      nc.publish('hifi.v1.requests.unfinished', '', { headers: fields });
    }
    await nc.flush();
  });
  await expect(created(store, 'refused')).rejects.toMatchObject({ reason: 'STORE_AWAY' });
  await store.close();
});
