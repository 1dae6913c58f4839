import * as fs from 'node:fs';
import * as path from 'node:path';
import { GrpcClient } from '../../infra/grpc/client';
import { GatewayService, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { type StoredEvent, sequencesOf, storedIn, upTo } from '../gateway/outbox-jobs';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { freePorts } from '../support/ports';
import { endServices, Service } from '../support/services';
import { createJob, eventsOf, follow, getJob, SHORT } from './struck-job';

/* Two gateways on one store in JetStream: two analyzers, two trainers, one folder of artifacts. */
let nats: NatsServer;
let gateways: Service[];
let clients: GrpcClient[];
const root = temporaryFolder('gateways');

beforeAll(async () => {
  nats = await startNats({ jetstream: true });
  const ports = await freePorts(4);
  const [analyzers, trainers] = [ports.slice(0, 2), ports.slice(2)];
  const start = (name: string, kind: string, words: string[]) =>
    Service.start([
      ...[kind, '--state-dir', path.join(root, name), '--artifacts', path.join(root, 'artifacts')],
      ...['--data-root', FIXTURES, ...words],
    ]);
  const listed = (ports: number[]) => ports.map((port) => `127.0.0.1:${port}`).join();
  const peers = ['--analyzer', listed(analyzers), '--trainer', listed(trainers)];
  const own = ['--gateway-port', '0', '--store', nats.url, ...peers];
  [, , , , ...gateways] = await Promise.all([
    ...analyzers.map((port) => start(`analyzer-${port}`, 'analyzer', ['--analyzer-port', String(port)])),
    ...trainers.map((port) => start(`trainer-${port}`, 'trainer', ['--trainer-port', String(port)])),
    start('gateway-1', 'gateway', own),
    start('gateway-2', 'gateway', own),
  ]);
  clients = gateways.map(({ ports }) => new GrpcClient(`127.0.0.1:${ports.gateway}`));
});
afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await endServices();
  await nats?.stop();
  fs.rmSync(root, { recursive: true, force: true });
});

test('each gateway shows, cancels and finishes the jobs of the other', async () => {
  const [one, two] = clients;
  const jobId = await createJob(one, SHORT, 'shared');
  expect(await createJob(two, SHORT, 'shared')).toBe(jobId);
  const waiting = await createJob(one, SHORT);
  const third = await createJob(two, SHORT);
  await two.unary(GatewayService.method.cancelJob, { jobId: third });
  // The gateway that drives the first job leaves; the other one continues it at once.
  let left = false;
  const live = await follow(two, jobId, async ({ event }) => {
    if (left || event.kind !== 'state' || event.state !== 'TRAINING') return;
    left = true;
    await gateways[0].kill('SIGTERM');
  });
  expect(left).toBe(true);
  const job = await getJob(two, jobId);
  expect(job.state).toBe(JobState.SUCCEEDED);
  expect(await eventsOf(two, jobId)).toEqual(live);
  await follow(two, waiting);
  const { jobs } = await two.unary(GatewayService.method.listJobs, {});
  expect(jobs.map((each) => [each.jobId, each.state])).toEqual([
    [third, JobState.CANCELLED],
    [waiting, JobState.SUCCEEDED],
    [jobId, JobState.SUCCEEDED],
  ]);
  const isEvent = ({ subject }: StoredEvent) => /^hifi\.v1\.jobs\.\w+\.(state|progress|epoch|artifact)$/.test(subject);
  const stored = (await storedIn(nats.url)).filter(isEvent);
  expect(sequencesOf(stored)[jobId]).toEqual(upTo(job.lastSequence));
  expect(stored.map(({ headers }) => headers['Nats-Msg-Id'])).toEqual(
    stored.map(({ body }) => `${body.jobId}:${body.sequence}`),
  );
});
