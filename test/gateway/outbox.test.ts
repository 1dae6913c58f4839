import { fork } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StorageType, type StreamConfig } from '@nats-io/jetstream';
import { connect, nanos } from '@nats-io/transport-node';
import { JetStreamStore } from '../../gateway/jetstream/store';
import { LmdbStore } from '../../gateway/lmdb-store';
import { natsMessage } from '../../gateway/nats-events';
import { Outbox } from '../../gateway/outbox';
import { type NatsServer, startNats } from '../support/nats';
import { freePorts } from '../support/ports';
import { until } from '../support/until';
import {
  happening,
  newJob,
  type StoredEvent,
  sequencesOf,
  silent,
  storedIn,
  TRACEPARENT,
  upTo,
  withJetStream,
} from './outbox-jobs';
import { all, created } from './sample-jobs';

const JOBS = 3;
const EVENTS = 300;

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

async function nats(settings: Parameters<typeof startNats>[0]): Promise<NatsServer> {
  const server = await startNats(settings);
  disposals.push(() => server.stop());
  return server;
}

function newFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-outbox-'));
  disposals.push(() => fs.promises.rm(folder, { recursive: true }));
  return folder;
}

function open(folder = newFolder()): LmdbStore {
  const store = new LmdbStore(folder, true);
  disposals.push(() => store.close());
  return store;
}

function started(store: LmdbStore, url: string): Outbox {
  const outbox = new Outbox(store, url, silent);
  outbox.start();
  disposals.push(() => outbox.stop());
  return outbox;
}

/** Creates jobs with interleaved events. @returns their ids */
async function turns(store: LmdbStore): Promise<string[]> {
  const ids: string[] = [];
  for (let job = 0; job < JOBS; job++) ids.push(await newJob(store, `job-${job}`));
  for (let count = JOBS; count < EVENTS; count++) await store.note(ids[count % JOBS], happening(count));
  return ids;
}

const allPublished = (store: LmdbStore) =>
  until(
    () => store.unpublished(1).length,
    (left) => left === 0,
    'the outbox to be empty',
  );

const idOf = ({ headers }: Pick<StoredEvent, 'headers'>) => headers['Nats-Msg-Id'];

describe('with JetStream', () => {
  test('the stream has each event once, in order, in the form of the contract', async () => {
    const { url } = await nats({ jetstream: true });
    const store = open();
    const ids = await turns(store);
    const expected = store.unpublished(1000);
    expect(expected).toHaveLength(EVENTS);
    started(store, url);
    await allPublished(store);

    const stored = await storedIn(url);
    expect(stored.map(idOf)).toEqual(expected.map(({ event }) => `${event.jobId}:${event.sequence}`));
    for (const [at, { event }] of expected.entries()) {
      const { jobId, sequence, time, event: payload } = event;
      expect(stored[at].subject).toBe(`hifi.v1.jobs.${jobId}.${payload.kind}`);
      expect(stored[at].headers).toEqual({
        'Nats-Msg-Id': `${jobId}:${sequence}`,
        'ce-specversion': '1.0',
        'ce-id': `${jobId}:${sequence}`,
        'ce-source': '/hifi/gateway',
        'ce-type': `hifi.v1.job.${payload.kind}`,
        'ce-time': new Date(time).toISOString(),
        'ce-subject': jobId,
        'content-type': 'application/json',
        traceparent: TRACEPARENT,
      });
      // Proto3's JSON form, written out by hand: 64-bit numbers are strings.
      const body = { jobId, sequence, time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/) };
      if (payload.kind === 'state') expect(stored[at].body).toEqual({ ...body, state: 'JOB_STATE_QUEUED' });
      if (payload.kind === 'artifact') {
        const artifact = { ...payload.artifact, sizeBytes: String(payload.artifact.sizeBytes) };
        expect(stored[at].body).toEqual({ ...body, artifact });
      }
      expect(Date.parse(stored[at].body.time as string)).toBe(time);
    }
    expect(sequencesOf(stored)).toEqual(Object.fromEntries(ids.map((id) => [id, upTo(EVENTS / JOBS)])));
  });

  test('the stream is stored in a file, has limits and recognises repeated events', async () => {
    const { url } = await nats({ jetstream: true });
    const store = open();
    started(store, url);
    await newJob(store, 'one');
    await allPublished(store);
    const { config } = await withJetStream(url, ({ streams }) => streams.info('HIFI_EVENTS'));
    expect(config).toMatchObject({
      subjects: ['hifi.v1.jobs.>'],
      storage: 'file',
      retention: 'limits',
      discard: 'old',
    });
    expect(config.duplicate_window).toBeGreaterThanOrEqual(nanos(120_000));
  });

  test('a server that is killed ten times loses no event and has none twice', async () => {
    const server = await nats({ jetstream: true });
    const store = open();
    const ids = [await newJob(store, 'a'), await newJob(store, 'b'), await newJob(store, 'c')];
    started(store, server.url);
    let coming = true;
    const come = (async () => {
      for (let count = 0; coming; count++) await store.note(ids[count % ids.length], happening(count));
    })();
    const published = async () => (await store.get(ids[0])).sequence * ids.length - store.unpublished(100_000).length;
    for (let kill = 0; kill < 10; kill++) {
      const before = await published();
      await until(published, (now) => now > before + 50, `events to be published after kill ${kill}`);
      await server.restart();
    }
    coming = false;
    await come;
    await allPublished(store);

    const stored = await storedIn(server.url);
    expect(new Set(stored.map(idOf)).size).toBe(stored.length);
    const sequences = ids.map(async (id) => [id, upTo((await store.get(id)).sequence)]);
    expect(sequencesOf(stored)).toEqual(Object.fromEntries(await Promise.all(sequences)));
  });

  test('a gateway that is killed while it publishes loses no event and repeats none', async () => {
    const { url } = await nats({ jetstream: true });
    const folder = newFolder();
    for (let kill = 0; kill < 3; kill++) {
      const child = fork(require.resolve('./outbox-child'), [folder, url, `job-${kill}`]);
      const gone = once(child, 'exit');
      const messages = () =>
        withJetStream(url, async ({ streams }) => (await streams.info('HIFI_EVENTS')).state.messages);
      await until(messages, (count) => count > 50 * (kill + 1), 'events in the stream');
      child.kill('SIGKILL');
      await gone;
    }
    const store = open(folder);
    started(store, url);
    await allPublished(store);

    const jobs = await all(store.list());
    expect(jobs).toHaveLength(3);
    const stored = sequencesOf(await storedIn(url));
    expect(stored).toEqual(Object.fromEntries(jobs.map(({ id, sequence }) => [id, upTo(sequence)])));
  });

  test('a published event that was not noted is found in the stream, beyond the duplicate window', async () => {
    const { url } = await nats({ jetstream: true });
    const store = open();
    const ids = await turns(store);
    const window = nanos(100);
    await withJetStream(url, async (manager) => {
      await manager.streams.add({ name: 'HIFI_EVENTS', subjects: ['hifi.v1.jobs.>'], duplicate_window: window });
      for (const { subject, body, headers } of store.unpublished(50).map(natsMessage)) {
        await manager.jetstream().publish(subject, body, { headers });
      }
    });
    await sleep(1000);
    started(store, url);
    await allPublished(store);

    const stored = sequencesOf(await storedIn(url));
    expect(stored).toEqual(Object.fromEntries(ids.map((id) => [id, upTo(EVENTS / JOBS)])));
    const { config } = await withJetStream(url, ({ streams }) => streams.info('HIFI_EVENTS'));
    expect(config.duplicate_window).toBe(window);
  });

  test('a store in JetStream keeps the events of an earlier outbox, whose jobs are not its own', async () => {
    const { url } = await nats({ jetstream: true });
    const store = open();
    const id = await newJob(store, 'published');
    await store.note(id, happening(1));
    started(store, url);
    await allPublished(store);
    const events = await storedIn(url);

    const inStream = await JetStreamStore.open(url, silent);
    disposals.push(() => inStream.close());
    expect((await storedIn(url)).slice(0, events.length)).toEqual(events);
    const own = await created(inStream, 'own');
    expect((await all(inStream.list())).map((job) => job.id)).toEqual([own]);
    await expect(inStream.get(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const again = await JetStreamStore.open(url, silent);
    disposals.push(() => again.close());
    expect((await all(again.list())).map((job) => job.id)).toEqual([own]);

    // The outbox can still publish.
    await store.note(id, happening(2));
    await allPublished(store);
    expect(await all(again.list())).toHaveLength(1);
  });

  test.each<[string, Partial<StreamConfig>]>([
    ["is in the server's memory", { storage: StorageType.Memory }],
    ['discards old messages by a limit', { max_msgs: 5 }],
  ])('a stream of events that %s stays as it is, and no store opens', async (reason, config) => {
    const { url } = await nats({ jetstream: true });
    const subjects = ['hifi.v1.jobs.>'];
    const { config: before } = await withJetStream(url, ({ streams }) =>
      streams.add({ name: 'HIFI_EVENTS', subjects, ...config }),
    );
    await expect(JetStreamStore.open(url, silent)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(reason),
    });
    expect((await withJetStream(url, ({ streams }) => streams.info('HIFI_EVENTS'))).config).toEqual(before);
  });

  test('a stream that is deleted while the gateway runs is created again', async () => {
    const { url } = await nats({ jetstream: true });
    const store = open();
    started(store, url);
    const id = await newJob(store, 'one');
    await allPublished(store);
    await withJetStream(url, ({ streams }) => streams.delete('HIFI_EVENTS'));
    await store.note(id, happening(1), happening(2));
    await allPublished(store);
    expect(sequencesOf(await storedIn(url))).toEqual({ [id]: [2, 3] });
  });

  test('NATS may start after the gateway', async () => {
    const [port] = await freePorts(1);
    const store = open();
    const outbox = started(store, `nats://127.0.0.1:${port}`);
    const id = await newJob(store, 'one');
    await outbox.stop();
    expect(store.unpublished(10)).toHaveLength(1);
    started(store, `nats://127.0.0.1:${port}`);
    await store.note(id, happening(1));
    const { url } = await nats({ jetstream: true, port });
    await store.note(id, happening(2));
    await allPublished(store);
    expect(sequencesOf(await storedIn(url))).toEqual({ [id]: [1, 2, 3] });
  });

  test('events of a deleted job do not block others', async () => {
    const { url } = await nats({ jetstream: true });
    const store = open();
    const deleted = await newJob(store, 'deleted');
    await store.note(deleted, ...upTo(200).map(happening));
    const id = await newJob(store, 'one');
    await store.delete(deleted);
    started(store, url);
    await allPublished(store);
    expect(sequencesOf(await storedIn(url))).toEqual({ [id]: [1] });
  });

  test('a new connection looks up the stream again', async () => {
    const { url, port, stop } = await nats({ jetstream: false });
    const store = open();
    started(store, url);
    const id = await newJob(store, 'one');
    await allPublished(store);
    await stop();
    await nats({ jetstream: true, port });
    await store.note(id, happening(1));
    await allPublished(store);
    expect(sequencesOf(await storedIn(url))).toEqual({ [id]: [2] });
  });
});

describe('without JetStream', () => {
  test('a subscriber receives each event in order, also while the gateway stops', async () => {
    const { url } = await nats({ jetstream: false });
    const nc = await connect({ servers: url });
    disposals.push(() => nc.close());
    const heard: StoredEvent[] = [];
    nc.subscribe('hifi.v1.jobs.>', {
      callback: (_, message) => {
        const headers = { 'Nats-Msg-Id': message.headers?.get('Nats-Msg-Id') ?? '' };
        heard.push({ subject: message.subject, headers, body: message.json() });
      },
    });
    await nc.flush();
    const store = open();
    const outbox = started(store, url);
    await newJob(store, 'zero');
    await allPublished(store);
    await turns(store);
    const expected = store.unpublished(1000).map(({ event }) => `${event.jobId}:${event.sequence}`);
    await outbox.stop();
    expect(store.unpublished(1)).toEqual([]);
    await until(
      () => heard.length,
      (length) => length > EVENTS,
      'all events',
    );
    expect(heard.map(idOf).slice(heard.length - expected.length)).toEqual(expected);
    for (const sequences of Object.values(sequencesOf(heard))) expect(sequences).toEqual(upTo(sequences.length));
  });

  test('publishing resumes each time a killed server returns', async () => {
    const server = await nats({ jetstream: false });
    const store = open();
    const ids = [await newJob(store, 'a'), await newJob(store, 'b')];
    started(store, server.url);
    for (let kill = 0; kill < 3; kill++) {
      await server.kill();
      for (let count = 0; count < 10; count++) await store.note(ids[count % 2], happening(10 * kill + count));
      await server.restart();
      await allPublished(store);
    }
    expect(await Promise.all(ids.map(async (id) => (await store.get(id)).sequence))).toEqual([16, 16]);
  });
});

test('an invalid address is refused at once, and no password is shown', () => {
  const at = (url: string) => () => new Outbox(open(), url, silent);
  expect(at('http://u:secret@host')).toThrow(
    /^the address of NATS must be nats:\/\/HOST:PORT or tls:\/\/HOST:PORT, several with commas$/,
  );
});
