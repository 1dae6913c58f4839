import * as fs from 'node:fs';
import { GatewayService, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { RegistryService } from '../../proto/gen/hifi/v1/registry_pb';
import { sequencesOf, storedIn, upTo } from '../gateway/outbox-jobs';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { endServices, startTrio, type Trio } from '../support/services';
import { until } from '../support/until';
import { complaints, createJob, getJob, MOMENTS, struckJob, TINY, VICTIMS } from './struck-job';

/*
 * Three services in three processes, with real sockets and a real NATS. `kill -9` strikes a
 * service, or the engine that works for it, in each state of a job. The job must produce the same
 * result as undisturbed. `soak.ts` repeats this many times.
 */
const EPOCHS = TINY.training!.epochs!;
let stateDir: string;
let nats: NatsServer;
let trio: Trio;
let undisturbed: string;

beforeAll(async () => {
  stateDir = temporaryFolder('kills');
  nats = await startNats({ jetstream: true });
  trio = await startTrio({ stateDir, dataRoots: [FIXTURES], env: { NATS_URL: nats.url } });
  const outcome = await struckJob(trio, TINY, 'engine', []);
  expect(complaints(outcome, EPOCHS)).toEqual([]);
  expect(outcome.job.metrics?.resumedFromStep).toBeUndefined();
  undisturbed = outcome.delta!;
});

afterAll(async () => {
  for (const client of Object.values(trio?.clients ?? {})) client.close();
  await endServices();
  await nats?.stop();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

test.each(VICTIMS)('kill -9 of the %s in every state of a job', async (victim) => {
  // The struck job waits for this one.
  const other = await createJob(trio.clients.gateway, { ...TINY, analyzeOnly: true });
  const registerAs = `killed-${victim}`;
  const outcome = await struckJob(trio, { ...TINY, registerAs }, victim, MOMENTS);
  expect(outcome.strikes.map(({ moment }) => moment)).toEqual(MOMENTS);
  expect(complaints(outcome, EPOCHS, undisturbed)).toEqual([]);
  expect((await getJob(trio.clients.gateway, other)).state).toBe(JobState.SUCCEEDED);
  const { deltas } = await trio.clients.gateway.unary(RegistryService.method.listDeltas, { name: registerAs });
  expect(deltas.map(({ version, jobId }) => [version, jobId])).toEqual([[1, outcome.job.jobId]]);
  expect(outcome.job.registered).toBe(`${registerAs}:1`);
});

test('NATS has every event of every job, each once', async () => {
  const { jobs } = await trio.clients.gateway.unary(GatewayService.method.listJobs, {});
  expect(jobs).toHaveLength(1 + VICTIMS.length * 2);
  const all = jobs.reduce((sum, { lastSequence }) => sum + lastSequence, 0);
  const stored = await until(
    () => storedIn(nats.url),
    (messages) => messages.length >= all,
    'the events in NATS',
  );
  for (const { jobId, lastSequence } of jobs) expect(sequencesOf(stored)[jobId]).toEqual(upTo(lastSequence));
  expect(new Set(stored.map(({ headers }) => headers['Nats-Msg-Id'])).size).toBe(all);
});
