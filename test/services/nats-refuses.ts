import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection, type Status } from '@nats-io/transport-node';
import { pino } from 'pino';
import { LmdbStore } from '../../gateway/lmdb-store';
import { Outbox } from '../../gateway/outbox';
import { happening, newJob } from '../gateway/outbox-jobs';
import { temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { freePorts } from '../support/ports';

/*
 * Measures the cost of an outbox that NATS refuses; by hand:
 *   node --expose-gc --require ./test/support/typescript-hook.cjs \
 *     test/services/nats-refuses.ts [MINUTES]
 * It runs one outbox per kind of refusal, with four events a second. Each minute it prints the log
 * lines of each, the open iterators of connection status, the process's handles and timers, and the
 * heap after a garbage collection.
 */
const minutes = Number(process.argv[2] ?? 10);
const gc = (globalThis as { gc?: () => void }).gc ?? (() => {});

let iterators = 0;

/** Counts the open iterators of every connection's status. */
function countIterators(connection: NatsConnection): void {
  const prototype = Object.getPrototypeOf(connection) as { status(): AsyncIterable<Status> };
  const { status } = prototype;
  prototype.status = function () {
    const iterator = status.call(this);
    iterators++;
    void (iterator as unknown as { iterClosed: Promise<unknown> }).iterClosed.then(() => iterators--);
    return iterator;
  };
}

const users = (password: string, publish = '">"') => `authorization { users: [
  { user: u, password: ${password}, permissions: { publish: ${publish}, subscribe: ">" } } ] }`;
const folder = temporaryFolder('nats-refuses');
const servers: NatsServer[] = [];

async function started(jetstream: boolean, config: string): Promise<NatsServer> {
  const server = await startNats({ jetstream, config });
  servers.push(server);
  return server;
}

const at = ({ port }: { port: number }) => `nats://u:a@127.0.0.1:${port}`;

/**
 * Name → the server's address, and the change that makes it refuse once the outbox is connected.
 */
async function ways(): Promise<Record<string, { url: string; refuse?: () => Promise<unknown> }>> {
  const denies = await started(false, users('a', '{ deny: "hifi.>" }'));
  const full = await started(true, users('a'));
  const nc = await connect({ servers: `127.0.0.1:${full.port}`, user: 'u', pass: 'a' });
  countIterators(nc);
  const limits = { max_msgs: 1, discard: DiscardPolicy.New };
  await (await jetstreamManager(nc)).streams.add({ name: 'HIFI_EVENTS', subjects: ['hifi.v1.jobs.>'], ...limits });
  await nc.close();
  const closed = await started(false, users('another'));
  const changes = await started(false, users('a'));
  const dies = await started(false, users('a'));
  const [port] = await freePorts(1);
  return {
    'denies publishing': { url: at(denies) },
    'stream is full': { url: at(full) },
    'wrong password': { url: at(closed) },
    'password changes': { url: at(changes), refuse: () => changes.reload(users('another')) },
    'server dies': { url: at(dies), refuse: () => dies.kill() },
    'never there': { url: at({ port }) },
  };
}

async function measure(): Promise<void> {
  const lines: Record<string, number> = {};
  const last: Record<string, string> = {};
  const ends: (() => Promise<void>)[] = [];
  const refusals: (() => Promise<unknown>)[] = [];
  const notes: (() => Promise<unknown>)[] = [];
  for (const [name, { url, refuse }] of Object.entries(await ways())) {
    const store = new LmdbStore(path.join(folder, name.replaceAll(' ', '-')), true);
    lines[name] = 0;
    const write = (line: string) => {
      lines[name]++;
      last[name] = line;
    };
    const outbox = new Outbox(store, url, pino({ level: 'info' }, { write }));
    outbox.start();
    const job = await newJob(store, name);
    let count = 0;
    notes.push(() => store.note(job, happening(++count)));
    ends.push(async () => {
      await outbox.stop();
      await store.close();
    });
    if (refuse) refusals.push(refuse);
  }
  await sleep(2000);
  for (const refuse of refusals) await refuse();
  const names = Object.keys(lines);
  process.stdout.write(
    `| minute | lines: ${names.join(' | ')} | iterators | handles and timers | heap, MB | RSS, MB |\n`,
  );
  process.stdout.write(`|${'---|'.repeat(names.length + 5)}\n`);
  const started = Date.now();
  for (let minute = 0; minute <= minutes; ) {
    await Promise.all(notes.map((note) => note()));
    await sleep(250);
    if (Date.now() - started < minute * 60_000) continue;
    gc();
    const { heapUsed, rss } = process.memoryUsage();
    const counts = [
      iterators,
      process.getActiveResourcesInfo().length,
      (heapUsed / 1e6).toFixed(1),
      (rss / 1e6).toFixed(0),
    ];
    process.stdout.write(`| ${minute} | ${[...names.map((name) => lines[name]), ...counts].join(' | ')} |\n`);
    minute++;
  }
  for (const name of names) process.stdout.write(`${name}: ${last[name]}`);
  for (const end of ends) await end();
  for (const server of servers) await server.stop();
}

measure().then(
  () => {
    fs.rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  },
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
