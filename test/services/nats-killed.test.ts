import * as fs from 'node:fs';
import { sequencesOf, storedIn, upTo } from '../gateway/outbox-jobs';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { endServices, startAll } from '../support/services';
import { until } from '../support/until';
import { createJob, eventsOf, follow, getJob, LONG } from './struck-job';

const KILLS = 10;
let stateDir: string;
let nats: NatsServer;

beforeAll(async () => {
  stateDir = temporaryFolder('nats-killed');
  nats = await startNats({ jetstream: true });
});
afterAll(async () => {
  await endServices();
  await nats?.stop();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

test(`a job during which nats-server is killed ${KILLS} times has all its events in the stream, each once`, async () => {
  const { clients } = await startAll({ stateDir, dataRoots: [FIXTURES], env: { NATS_URL: nats.url } });
  const { gateway } = clients;
  const jobId = await createJob(gateway, LONG);
  let kills = 0;
  let killing = Promise.resolve();
  await follow(gateway, jobId, ({ sequence }) => {
    // The job continues in the meantime.
    if (sequence % 8 === 0 && kills < KILLS) {
      kills++;
      killing = killing.then(() => nats.kill()).then(() => nats.restart());
    }
  });
  expect(kills).toBe(KILLS);
  await killing;
  const { lastSequence } = await getJob(gateway, jobId);
  expect((await eventsOf(gateway, jobId)).map(({ sequence }) => sequence)).toEqual(upTo(lastSequence));
  const stored = await until(
    () => storedIn(nats.url),
    (messages) => messages.length >= lastSequence,
    'the events in NATS',
  );
  expect(sequencesOf(stored)).toEqual({ [jobId]: upTo(lastSequence) });
  expect(new Set(stored.map(({ headers }) => headers['Nats-Msg-Id'])).size).toBe(lastSequence);
  for (const client of Object.values(clients)) client.close();
});
