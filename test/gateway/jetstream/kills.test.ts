import { type ChildProcess, spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import * as path from 'node:path';
import { JetStreamStore } from '../../../gateway/jetstream/store';
import type { JobStore } from '../../../gateway/store';
import { JOB_PATH } from '../../../job/job';
import { type NatsServer, startNats } from '../../support/nats';
import { until } from '../../support/until';
import { silent, withJetStream } from '../outbox-jobs';
import { all, newJobOf, refusals } from '../sample-jobs';
import { faultsIn, messagesOf } from './stream-faults';

const LEASE_MS = 2_000;
const HOOK = path.join(__dirname, '../../support/typescript-hook.cjs');
const never = new AbortController().signal;
setMaxListeners(0, never);

let nats: NatsServer;
let store: JobStore;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  nats = await startNats({ jetstream: true });
  store = await JetStreamStore.open(nats.url, silent, LEASE_MS);
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(async () => {
  await store?.close();
  await nats?.stop();
});

/** Gateway without services in a process of its own. */
function startDriver(running: number, holds = ''): { child: ChildProcess; lines: string[] } {
  const program = path.join(__dirname, 'driver-child.ts');
  const args = ['--require', HOOK, program, nats.url, String(LEASE_MS), String(running), holds];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const lines: string[] = [];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')));
  return { child, lines };
}

const create = async (requestId: string, spec: object = {}) =>
  (await store.create({ ...newJobOf(requestId), spec }, 1000, refusals)).record.id;

const lastStates = async (ids: string[]) => Promise.all(ids.map(async (id) => (await store.get(id)).state));

test('jobs end once and without a gap, while gateways and the server are killed', async () => {
  const ids = await Promise.all(Array.from({ length: 12 }, (_, i) => create(`kills-${i}`)));
  const drivers = [startDriver(2), startDriver(2)];
  const seen = ids.map((id) => all(store.watch(id, 1, never)));
  const written = () =>
    withJetStream(nats.url, async ({ streams }) => (await streams.info('HIFI_EVENTS')).state.last_seq);
  for (const victim of [0, 'nats', 1, 'nats', 0] as const) {
    const before = await written();
    await until(written, (now) => now > before + 8, 'the jobs to go on', 30_000);
    if (victim === 'nats') await nats.restart();
    else {
      drivers[victim].child.kill('SIGKILL');
      drivers[victim] = startDriver(2);
    }
  }
  const histories = await Promise.all(seen);
  expect(await lastStates(ids)).toEqual(ids.map(() => 'SUCCEEDED'));
  expect(faultsIn(await messagesOf(nats.url), ids)).toEqual([]);
  for (const events of histories) expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
  // The job left the queue.
  const left = () => withJetStream(nats.url, async ({ streams }) => (await streams.info('HIFI_WORK')).state.messages);
  await until(left, (count) => count === 0, 'the queue to be empty');
});

test('a gateway that is stopped in any state of a job writes nothing over the work of its successor', async () => {
  const held = JOB_PATH.slice(1, -1);
  const asleep = startDriver(held.length, 'holds');
  const ids = await Promise.all(held.map((state) => create(`stopped-${state}`, { hold: state })));
  await until(
    () => lastStates(ids),
    (states) => states.join() === held.join(),
    'each job to be in its state',
  );
  asleep.child.kill('SIGSTOP');
  startDriver(held.length);
  await until(
    () => lastStates(ids),
    (states) => states.every((state) => state === 'SUCCEEDED'),
    'the successor',
    30_000,
  );
  const before = await messagesOf(nats.url);
  expect(faultsIn(before, ids)).toEqual([]);

  asleep.child.kill('SIGCONT');
  await until(
    () => asleep.lines,
    (lines) => ids.every((id) => lines.includes(`over ${id}`)),
    'the stopped gateway to give up its jobs',
  );
  expect(await messagesOf(nats.url)).toHaveLength(before.length);
});
