import * as fs from 'node:fs';
import * as path from 'node:path';
import { pino } from 'pino';
import { LmdbStore } from '../../gateway/lmdb-store';
import { noteWhenRoom } from '../../gateway/note-when-room';
import { Scheduler } from '../../gateway/scheduler';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { status } from '../../proto/status';
import { temporaryFolder } from '../support/deltas';
import { FillingDisk } from '../support/filling-disk';
import { clientsOf, endServices, Service } from '../support/services';
import { until } from '../support/until';

/*
 * lmdb-js 3.5 rejects the writes of a failed commit, and a second promise with its cause, which it
 * does not handle. With eventTurnBatching there is a third one. Each unhandled one ends the
 * process.
 */

const { createJob, getJob } = GatewayService.method;
const refused = () => {
  throw new Error('the job is refused');
};
const refusals = { full: refused, otherSpec: refused };
/** Allocates pages: a small change may fit into pages that lmdb has freed. */
const LARGE = 'x'.repeat(50_000);

const scratch = temporaryFolder('full-disk');
let disk: FillingDisk | undefined;

beforeEach(() => {
  // lmdb-js prints the cause of each failed commit, also after the test; Jest restores a spy too
  // early.
  console.error = () => {};
  disk = FillingDisk.mount(8);
});
afterEach(async () => {
  await endServices();
  disk?.unmount();
});
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

test('the gateway reports a full disk and continues', async () => {
  if (!disk) return;
  const peers = ['--analyzer', '127.0.0.1:1', '--trainer', '127.0.0.1:1'];
  const service = await Service.start(['gateway', '--state-dir', disk.folder, '--gateway-port', '0', ...peers]);
  const { gateway } = clientsOf(service.ports);
  const create = (requestId: string) => {
    const train = { source: { case: 'inline' as const, value: { texts: [requestId, LARGE] } } };
    return gateway.unary(createJob, { requestId, spec: { model: LARGE, train, analyzeOnly: true } });
  };
  const first = (await create('first')).job!.jobId;

  disk.fill();
  const refusal = { code: status.RESOURCE_EXHAUSTED, reason: 'DISK_FULL', details: { retrySeconds: 10 } };
  for (let i = 0; i < 3; i++) await expect(create('second')).rejects.toMatchObject(refusal);
  expect((await gateway.unary(getJob, { jobId: first })).job).toMatchObject({ jobId: first });

  disk.empty();
  const second = await create('second');
  expect(second.job!.requestId).toBe('second');
  expect((await create('second')).job!.jobId).toBe(second.job!.jobId);
  gateway.close();
  expect(await service.kill('SIGTERM')).toEqual({ status: 0, signal: null });
});

test('a running job waits for room and resumes; watchers are never ahead of the store', async () => {
  if (!disk) return;
  const store = new LmdbStore(path.join(disk.folder, 'jobs'), true);
  const words: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void words.push(line) });
  const { record } = await store.create(
    { requestId: 'one', spec: {}, specHash: 'hash', traceparent: undefined },
    10,
    refusals,
  );
  const scheduler = new Scheduler(
    store,
    async (claim, signal) => {
      await noteWhenRoom(claim, [{ kind: 'attempt' }, { kind: 'state', state: 'TRAINING' }], signal, log);
      for (let epoch = 1; epoch <= 20; epoch++) {
        if (epoch === 3) disk?.fill();
        const trained = { kind: 'epoch', epoch: { epoch, trainLoss: 0, dev: { [LARGE]: 0 }, seconds: 0 } } as const;
        await noteWhenRoom(claim, [trained], signal, log);
      }
      await noteWhenRoom(claim, [{ kind: 'state', state: 'SUCCEEDED' }], signal, log);
    },
    log,
  );
  const ahead: number[] = [];
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { sequence } of store.watch(record.id, 1, new AbortController().signal)) {
      seen.push(sequence);
      if ((await store.get(record.id)).sequence < sequence) ahead.push(sequence);
    }
  })();
  scheduler.start();

  await until(
    () => words,
    () => words.some((line) => line.includes('has no room; the job waits')),
    'the disk to be full',
  );
  const waiting = await store.get(record.id);
  expect(waiting.state).toBe('TRAINING');
  expect(waiting.epochs).toBeLessThan(20);
  // A client's change does not wait: it is refused, or fits into a freed page.
  const cancelled = await store.note(record.id, { kind: 'warning', message: LARGE }).catch((error) => error);
  expect(cancelled).toMatchObject({ code: 'DISK_FULL' });

  disk.empty();
  await watching;
  expect(await store.get(record.id)).toMatchObject({ state: 'SUCCEEDED', attempt: 1, epochs: 20, warnings: [] });
  expect(seen).toEqual(Array.from({ length: 23 }, (_, i) => i + 1));
  expect(ahead).toEqual([]);
  // One line when the wait begins, one when it ends.
  expect(words.filter((line) => /no room|accepts changes again/.test(line))).toHaveLength(2);
  await scheduler.drain();
  await store.close();
});

test('published events are not offered again, even if the outbox has no room for the change', async () => {
  if (!disk) return;
  const folder = path.join(disk.folder, 'jobs');
  const store = new LmdbStore(folder, true);
  const { record } = await store.create(
    { requestId: 'one', spec: {}, specHash: 'hash', traceparent: undefined },
    10,
    refusals,
  );
  const places = store.unpublished(10);
  disk.fill();
  // Uses up the pages that lmdb has freed.
  const full = async () => {
    for (let i = 0; i < 50; i++) await store.note(record.id, { kind: 'warning', message: `${i} ${LARGE}` });
  };
  await expect(full()).rejects.toMatchObject({ code: 'DISK_FULL' });
  await store.published(places[0].position);
  expect(store.unpublished(10)).toEqual([]);
  disk.empty();
  await store.note(record.id, { kind: 'state', state: 'ANALYZING' });
  const next = store.unpublished(10);
  expect(next.map(({ event }) => event.sequence)).toEqual([2]);
  await store.published(next[0].position);
  await store.close();
  const again = new LmdbStore(folder, true);
  expect(again.unpublished(10)).toEqual([]);
  await again.close();
});
