import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { followOnNats } from '../../gateway/follow-nats';
import { LmdbStore } from '../../gateway/lmdb-store';
import { Outbox } from '../../gateway/outbox';
import type { JobEvent } from '../../proto/gen/hifi/v1/gateway_pb';
import { type NatsServer, startNats } from '../support/nats';
import { until } from '../support/until';
import { happening, newJob, silent, upTo, withJetStream } from './outbox-jobs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-follow-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

let server: NatsServer;
let store: LmdbStore;
let job: string;

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

async function start(jetstream: boolean): Promise<void> {
  server = await startNats({ jetstream });
  disposals.push(() => server.stop());
  store = new LmdbStore(fs.mkdtempSync(path.join(folder, 'store-')), true);
  disposals.push(() => store.close());
  const outbox = new Outbox(store, server.url, silent);
  disposals.push(() => outbox.stop());
  outbox.start();
  await newJob(store, 'another');
  job = await newJob(store, 'one');
  await published();
}

const note = (...counts: number[]) => store.note(job, ...counts.map(happening));
const published = () =>
  until(
    () => store.unpublished(1).length,
    (left) => left === 0,
    'the outbox to be empty',
  );

/** Follows the job in the background. */
function followed(from = 1, ended?: () => Promise<boolean>) {
  const seen: JobEvent[] = [];
  const notes: string[] = [];
  const leaving = new AbortController();
  const done = (async () => {
    const events = followOnNats(server.url, job, from, leaving.signal, { note: (line) => notes.push(line), ended });
    for await (const event of events) seen.push(event);
  })();
  const has = (count: number) =>
    until(
      () => seen.length,
      (length) => length >= count,
      `${count} events`,
    );
  return { seen, notes, leave: () => leaving.abort(), done, has };
}

const sequences = (events: readonly JobEvent[]) => events.map(({ sequence }) => sequence);

describe('with JetStream', () => {
  beforeEach(() => start(true));

  test.each(['SUCCEEDED', 'FAILED', 'CANCELLED'] as const)('past events, then new ones, until %s', async (state) => {
    await note(1, 2, 3);
    await published();
    const { seen, notes, done, has } = followed();
    await has(4);
    await note(4);
    await store.note(job, { kind: 'state', state });
    await done;
    expect(sequences(seen)).toEqual(upTo(6));
    expect(new Set(seen.map(({ jobId }) => jobId))).toEqual(new Set([job]));
    expect(notes).toEqual([]);
  });

  test('events of an ended job from a sequence number on', async () => {
    await note(1, 2, 3);
    await store.note(job, { kind: 'state', state: 'SUCCEEDED' });
    await published();
    for (const [from, expected] of [
      [3, [3, 4, 5]],
      [9, []],
    ] as const) {
      const { seen, done } = followed(from);
      await done;
      expect(sequences(seen)).toEqual(expected);
    }
  });

  test('each event once, though the server restarts', async () => {
    const { seen, done, has } = followed();
    await has(1);
    for (let kill = 0; kill < 3; kill++) {
      await note(3 * kill);
      await server.kill();
      await note(3 * kill + 1, 3 * kill + 2);
      await server.restart();
      await has(1 + 3 * (kill + 1));
    }
    await store.note(job, { kind: 'state', state: 'SUCCEEDED' });
    await done;
    expect(sequences(seen)).toEqual(upTo(11));
  });

  test('events of a stream with another name, with a note on a missing one', async () => {
    await note(1, 2, 3);
    await published();
    await withJetStream(server.url, async ({ streams }) => {
      // The job's second event is the stream's third message, after one of another job.
      await streams.deleteMessage('HIFI_EVENTS', 3);
      await streams.add({ name: 'COPY', sources: [{ name: 'HIFI_EVENTS' }] });
      await until(
        async () => (await streams.info('COPY')).state.messages,
        (messages) => messages === 4,
        'the copy',
      );
      await streams.delete('HIFI_EVENTS');
      await streams.update('COPY', { subjects: ['hifi.>'], sources: [] });
    });
    await store.note(job, { kind: 'state', state: 'SUCCEEDED' });
    const { seen, notes, done } = followed();
    await done;
    expect(sequences(seen)).toEqual([1, 3, 4, 5]);
    expect(notes).toEqual(['event 2 is not in NATS; the gateway has what NATS lacks']);
  });

  test('ends with the job if its last event is missing', async () => {
    await note(1);
    await store.note(job, { kind: 'state', state: 'SUCCEEDED' });
    await published();
    await withJetStream(server.url, async ({ streams }) => {
      const { state } = await streams.info('HIFI_EVENTS');
      await streams.deleteMessage('HIFI_EVENTS', state.last_seq);
    });
    const { seen, notes, done } = followed(1, async () => true);
    await done;
    expect(sequences(seen)).toEqual([1, 2]);
    expect(notes).toEqual(['the job has ended; its last events, from 3 on, are not in NATS']);
    const refused = new Error('the gateway refuses');
    await expect(followed(3, () => Promise.reject(refused)).done).rejects.toBe(refused);
  });

  test('ends silently when its reader leaves', async () => {
    const { seen, leave, done, has } = followed();
    await has(1);
    leave();
    await done;
    expect(sequences(seen)).toEqual([1]);
    const late = followed();
    late.leave();
    await late.done;
    expect(late.seen).toEqual([]);
  });
});

test('without JetStream: new events, with a note on missing ones', async () => {
  await start(false);
  await note(1);
  await published();
  const { seen, notes, done } = followed();
  // The subscription is not active at once.
  for (let count = 2; seen.length === 0; count++) {
    await note(count);
    await published();
  }
  await store.note(job, { kind: 'state', state: 'SUCCEEDED' });
  await done;
  const [first] = sequences(seen);
  expect(first).toBeGreaterThan(2);
  expect(sequences(seen)).toEqual(upTo((await store.get(job)).sequence).slice(first - 1));
  expect(notes).toEqual([
    'this NATS server has no JetStream for this account: earlier events, and events during a lost connection, are missing',
  ]);
});

test('a missing server and an invalid job give one line each', async () => {
  await start(false);
  const { signal } = new AbortController();
  const first = (url: string, id: string) => followOnNats(url, id, 1, signal).next();
  await expect(first(server.url, '*')).rejects.toThrow(/^no job "\*"$/);
  await server.kill();
  await expect(first(server.url, job)).rejects.toThrow(/^no connection to NATS at 127\.0\.0\.1:\d+: \S/);
});
