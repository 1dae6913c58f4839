import { getEventListeners } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { openChannel } from '../../gateway/event-channel';
import { LmdbStore } from '../../gateway/lmdb-store';
import { Outbox } from '../../gateway/outbox';
import { connectNats, natsAddress } from '../../infra/nats';
import { type NatsServer, startNats } from '../support/nats';
import { until } from '../support/until';
import { happening, newJob, upTo } from './outbox-jobs';

const PAUSES = { first: 5, longest: 20 };

const permissions = (publish: string, subscribe = '">"') => `
max_payload: 4096
authorization {
  users: [
    { user: admin, password: admin }
    { user: gateway, password: gateway, permissions: { publish: ${publish}, subscribe: ${subscribe} } }
  ]
}`;
const ALL = '">"';
const NO_API = '{ allow: "hifi.>" }';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-channel-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

let server: NatsServer;
let admin: NatsConnection;
let store: LmdbStore;
let job: string;
/** Messages that a subscriber has received: `SEQUENCE KIND`. */
let received: string[];
/** Log of the outbox. */
let lines: { level: number; msg: string; [name: string]: unknown }[];
const disposals: (() => unknown)[] = [];

const as = (user: string) => `nats://${user}:${user}@127.0.0.1:${server.port}`;

async function start(jetstream: boolean, config = permissions(ALL)): Promise<void> {
  server = await startNats({ jetstream, config });
  admin = await connect({ servers: `127.0.0.1:${server.port}`, user: 'admin', pass: 'admin' });
  admin.subscribe('hifi.v1.jobs.>', {
    callback: (_, { subject, headers }) => {
      const [, sequence] = (headers?.get('Nats-Msg-Id') ?? '').split(':');
      received.push(`${sequence} ${subject.split('.').at(-1)}`);
    },
  });
  await admin.flush();
}

async function stop(): Promise<void> {
  await admin.close();
  await server.stop();
}

beforeEach(async () => {
  received = [];
  lines = [];
  store = new LmdbStore(fs.mkdtempSync(path.join(folder, 'store-')), true);
  job = await newJob(store, 'one');
});
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
  await store.close();
});

/** Publishes the store's events as the user `gateway`. */
function publish(): void {
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const outbox = new Outbox(store, as('gateway'), log, PAUSES);
  disposals.push(() => outbox.stop());
  outbox.start();
}

const note = (...counts: number[]) => store.note(job, ...counts.map(happening));
const progress = () => store.note(job, { kind: 'progress', stage: 'train', done: 1, total: 2, unit: 'steps' });

const allPublished = () =>
  until(
    () => store.unpublished(1).length,
    (left) => left === 0,
    'the outbox to be empty',
  );
const waiting = () =>
  until(
    () => lines.find(({ msg }) => msg === 'events wait for NATS'),
    (line) => line !== undefined,
    'events to wait',
  );
/** Waits until the outbox has tried a refusing server some times. */
async function attempts(times: number): Promise<void> {
  const read = jest.spyOn(store, 'unpublished');
  await until(
    () => read.mock.calls.length,
    (calls) => calls > 2 * times,
    'more attempts at the server',
  );
  read.mockRestore();
}
const allHeard = (...expected: string[]) =>
  until(
    () => received.join(', '),
    (now) => now === expected.join(', '),
    expected.join(', '),
  );
const messages = () => lines.map(({ msg }) => msg);

describe('a server without JetStream', () => {
  beforeAll(() => start(false));
  afterAll(stop);

  test('that denies publishing: all events wait, and arrive in order once it allows it', async () => {
    await server.reload(permissions('{ deny: "hifi.>" }'));
    await note(...upTo(19));
    publish();
    expect(await waiting()).toMatchObject({
      job,
      sequence: 1,
      kind: 'state',
      reason: `this NATS user may not publish to "hifi.v1.jobs.${job}.state"`,
    });
    await attempts(5);
    expect(store.unpublished(100)).toHaveLength(20);
    expect(received).toEqual([]);
    expect(messages()).toEqual(['events wait for NATS']);

    await server.reload(permissions(ALL));
    await allPublished();
    await allHeard('1 state', ...upTo(19).map((count) => `${count + 1} artifact`));
    expect(messages()).toEqual(['events wait for NATS', 'events are published']);
  });

  test('that denies one kind: later events wait too, so that a reader has no gap', async () => {
    await server.reload(permissions('{ deny: "hifi.v1.jobs.*.progress" }'));
    await note(1);
    await progress();
    await note(2);
    publish();
    expect(await waiting()).toMatchObject({ sequence: 3, kind: 'progress' });
    await attempts(5);
    expect(received).toEqual(['1 state', '2 artifact']);
    await server.reload(permissions(ALL));
    await allPublished();
    await allHeard('1 state', '2 artifact', '3 progress', '4 artifact');
  });

  test('an event over max_payload is skipped and logged, and blocks no other', async () => {
    const large = (name: string) =>
      store.note(job, {
        kind: 'artifact',
        artifact: { name: name.repeat(5000), sha256: '0'.repeat(64), sizeBytes: 1 },
      });
    await server.reload(permissions(ALL));
    await note(1);
    publish();
    await allPublished();
    await large('a');
    await large('b');
    await note(2);
    await allPublished();
    await allHeard('1 state', '2 artifact', '5 artifact');
    const aside = lines.filter(({ msg }) => msg === 'an event is not published');
    expect(aside).toHaveLength(1);
    expect(aside[0]).toMatchObject({ job, sequence: 3, kind: 'artifact', limit: 4096 });
    expect(aside[0].bytes).toBeGreaterThan(5000);

    // The server does not report a new limit to existing connections.
    await server.reload(permissions(ALL).replace('4096', '65536'));
    await large('c');
    await allPublished();
    await allHeard('1 state', '2 artifact', '5 artifact', '6 artifact');
    await server.reload(permissions(ALL));
    await large('d');
    await note(3);
    await allPublished();
    await allHeard('1 state', '2 artifact', '5 artifact', '6 artifact', '8 artifact');
  });
});

describe('a server with JetStream', () => {
  let manager: JetStreamManager;

  beforeAll(async () => {
    await start(true);
    manager = await jetstreamManager(admin);
  });
  afterAll(stop);
  beforeEach(() => server.reload(permissions(ALL)));
  afterEach(async () => {
    for await (const { config } of manager.streams.list()) await manager.streams.delete(config.name);
  });

  const stream = (name: string, config: Partial<StreamConfig>) => manager.streams.add({ name, ...config });
  /** Ids of a stream's messages, as `SEQUENCE KIND`. */
  async function stored(name: string): Promise<string[]> {
    const { state } = await manager.streams.info(name);
    const found: string[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(name, { seq });
      if (!message) continue;
      const id = message.header.get('Nats-Msg-Id').split(':')[1];
      found.push(`${id} ${message.subject.split('.').at(-1)}`);
    }
    return found;
  }
  const EVENTS = ['1 state', '2 artifact', '3 progress', '4 artifact'];
  async function events(): Promise<void> {
    await note(1);
    await progress();
    await note(2);
  }
  const line = () => lines.find(({ msg }) => msg === 'events are published');

  test('whose stream of another name has the subjects: its acknowledgement suffices', async () => {
    await stream('OTHER', { subjects: ['hifi.>'] });
    await events();
    publish();
    await allPublished();
    expect(await stored('OTHER')).toEqual(EVENTS);
    expect(received).toEqual(EVENTS);
    expect(line()).toMatchObject({
      level: 40,
      streams: ['OTHER'],
      lacks: ['stream HIFI_EVENTS cannot be created: subjects overlap with an existing stream'],
    });
    expect(lines).toHaveLength(1);
  });

  test.each([
    ['with other subjects', { subjects: ['other.>'] }, 'accepts other.> only: add hifi.v1.jobs.> to its subjects'],
    [
      'that is sealed',
      { subjects: ['hifi.v1.jobs.>'], sealed: true },
      'is sealed: delete it, and hifi creates another',
    ],
    [
      'that acknowledges nothing',
      { subjects: ['hifi.v1.jobs.>'], no_ack: true },
      'acknowledges nothing (no_ack): it may refuse events unnoticed',
    ],
    ['that is a mirror', { mirror: { name: 'ORIGIN' } }, 'mirrors ORIGIN and accepts no events itself'],
  ] as const)('and a HIFI_EVENTS %s: events are published, and the log names the fault', async (_, config, lacks) => {
    if ('mirror' in config) await stream('ORIGIN', { subjects: ['origin.>'] });
    const { sealed, ...settings } = { sealed: false, ...(config as Partial<StreamConfig>) };
    await stream('HIFI_EVENTS', settings);
    if (sealed) await manager.streams.update('HIFI_EVENTS', { sealed } as Partial<StreamConfig>);
    await events();
    publish();
    await allPublished();
    await allHeard(...EVENTS);
    expect(line()).toMatchObject({ level: 40, streams: [], lacks: [`stream HIFI_EVENTS ${lacks}`] });
    expect(lines).toHaveLength(1);
  });

  test('and a HIFI_EVENTS for states alone: it acknowledges those, and a subscriber receives all', async () => {
    await stream('HIFI_EVENTS', { subjects: ['hifi.v1.jobs.*.state'] });
    await events();
    publish();
    await allPublished();
    await allHeard(...EVENTS);
    expect(await stored('HIFI_EVENTS')).toEqual(['1 state']);
    expect(line()).toMatchObject({ streams: ['HIFI_EVENTS'] });
  });

  test('that a user may not ask: the stream stores events, and its refusal is respected', async () => {
    await stream('HIFI_EVENTS', { subjects: ['hifi.v1.jobs.>'], max_msgs: 3, discard: DiscardPolicy.New });
    await server.reload(permissions(NO_API));
    await events();
    publish();
    expect((await waiting())?.reason).toContain('maximum messages exceeded');
    expect(line()).toMatchObject({
      streams: ['HIFI_EVENTS'],
      lacks: ['this NATS user may not publish to "$JS.API.INFO"'],
    });
    await manager.streams.update('HIFI_EVENTS', { max_msgs: 100 });
    await allPublished();
    expect(await stored('HIFI_EVENTS')).toEqual(EVENTS);
  });

  test.each([
    ['', '">"'],
    [', nor hear acknowledgements', '{ deny: "_INBOX.>" }'],
  ])('that a user may not ask%s, without a stream: a subscriber receives the events', async (_, subscribe) => {
    await server.reload(permissions(NO_API, subscribe));
    await note(1);
    publish();
    await allPublished();
    expect(line()).toMatchObject({
      level: 40,
      streams: [],
      lacks: [expect.stringMatching(/^this NATS user may not /)],
    });
    // Events that were in flight without an acknowledgement may arrive twice.
    expect([...new Set(received)]).toEqual(['1 state', '2 artifact']);
    expect(lines).toHaveLength(1);
  });

  test('and a full stream that discards new messages: events wait, with few log lines and no leak', async () => {
    await stream('HIFI_EVENTS', { subjects: ['hifi.v1.jobs.>'], max_msgs: 2, discard: DiscardPolicy.New });
    await events();
    publish();
    expect(await waiting()).toMatchObject({
      job,
      sequence: 3,
      reason: 'stream HIFI_EVENTS refuses the event: maximum messages exceeded; make room in it or raise its limits',
    });
    await attempts(100);
    expect(messages()).toEqual(['events are published', 'events wait for NATS']);
    expect(JSON.stringify(lines)).not.toContain('stack');
    await manager.streams.update('HIFI_EVENTS', { max_msgs: 100 });
    await allPublished();
    expect(await stored('HIFI_EVENTS')).toEqual(EVENTS);
    expect(messages()).toEqual(['events are published', 'events wait for NATS', 'events are published']);

    // Repeats the attempts on one connection: the library holds an iterator of its status until it
    // is stopped.
    const link = await connectNats(natsAddress(as('gateway')), 'test');
    const listeners = () => (link.nc as unknown as { protocol: { listeners: unknown[] } }).protocol.listeners.length;
    for (let attempt = 0; attempt < 50; attempt++) await openChannel(link);
    expect(listeners()).toBe(1);
    expect(getEventListeners(link.lost, 'abort')).toEqual([]);
    await link.close();
    expect(listeners()).toBe(0);
  });

  test('and a stream that discards old events: the log names it once', async () => {
    await stream('HIFI_EVENTS', { subjects: ['hifi.v1.jobs.>'], max_msgs: 1000, storage: StorageType.Memory });
    publish();
    await allPublished();
    const warned = lines.filter(({ msg }) => msg === 'the stream may discard events');
    expect(warned).toHaveLength(1);
    expect(warned[0].reasons).toEqual([
      'stream HIFI_EVENTS stores at most 1,000 messages and discards older ones',
      "stream HIFI_EVENTS is in the server's memory and ends with it",
    ]);
  });
});

test('an account that has no room for another stream: events are published', async () => {
  const users = ['admin', 'gateway'].map((name) => `{ user: ${name}, password: ${name} }`);
  const limits = '{ max_streams: 1, max_file: 1M, max_mem: 0 }';
  await start(true, `accounts { A { jetstream: ${limits}, users: [${users.join(', ')}] } }`);
  await (await jetstreamManager(admin)).streams.add({ name: 'TAKEN', subjects: ['taken'] });
  await note(1);
  publish();
  await allPublished();
  await allHeard('1 state', '2 artifact');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    level: 40,
    streams: [],
    lacks: ['stream HIFI_EVENTS cannot be created: maximum number of streams reached'],
  });
  await disposals.pop()?.();
  await stop();
});
