import * as fs from 'node:fs';
import type { GrpcClient } from '../../infra/grpc/client';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { createJob, LONG } from '../services/struck-job';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { freePorts } from '../support/ports';
import { clientsOf, endServices, Service } from '../support/services';
import { startHifi } from './spawn';

/*
 * Tests `hifi jobs watch` on a gateway whose analyzer and trainer are away: its job makes no
 * progress.
 */

const { NATS_URL } = process.env;
let stateDir: string;
let nats: NatsServer;
let client: GrpcClient;
let service: Service;

beforeAll(async () => {
  stateDir = temporaryFolder('cli-jobs');
  nats = await startNats({ jetstream: false });
  process.env.NATS_URL = nats.url;
  const [away] = await freePorts(1);
  const peers = ['--analyzer', `127.0.0.1:${away}`, '--trainer', `127.0.0.1:${away}`];
  const words = ['gateway', '--state-dir', stateDir, '--data-root', FIXTURES, '--gateway-port', '0', ...peers];
  service = await Service.start(words, { NATS_URL: nats.url });
  client = clientsOf(service.ports).gateway;
});
afterAll(async () => {
  client?.close();
  await endServices();
  await nats?.stop();
  fs.rmSync(stateDir, { recursive: true, force: true });
  if (NATS_URL === undefined) delete process.env.NATS_URL;
  else process.env.NATS_URL = NATS_URL;
});

const watch = (job: string, flags: string[], seen: Parameters<typeof startHifi>[1] = () => {}) =>
  startHifi(['jobs', 'watch', job, ...flags, '--gateway', `127.0.0.1:${service.ports.gateway}`], seen);

/**
 * Sends SIGINT when stderr first shows a line. A second one, at the line that the command ends
 * with, could arrive after Node has removed its signal handlers.
 */
function interruptOnceAt(line: RegExp): Parameters<typeof startHifi>[1] {
  let sent = false;
  return (stderr, child) => {
    if (!sent && line.test(stderr)) sent = child.kill('SIGINT');
  };
}

test('Ctrl-C during a watch sets the exit code, with gRPC and with NATS', async () => {
  const jobId = await createJob(client, LONG);
  // The line on the server's missing JetStream shows that the command listens.
  const ends = await Promise.all([
    watch(jobId, ['--nats'], interruptOnceAt(/has no JetStream/)),
    watch(jobId, [], interruptOnceAt(/queued/)),
  ]);
  expect(ends.map(({ status }) => status)).toEqual([130, 130]);
});

test('cancel says of an ended job that it had already ended', async () => {
  const jobId = await createJob(client, LONG);
  const cancel = () =>
    startHifi(['jobs', 'cancel', jobId, '--gateway', `127.0.0.1:${service.ports.gateway}`], () => {});
  const ended = `${jobId} had already ended\n`;
  expect((await cancel()).stderr).not.toContain(ended);
  expect(await cancel()).toMatchObject({ status: 0, stderr: expect.stringContaining(ended) });
});

test('a watch of an ended job ends on a NATS server without JetStream', async () => {
  const jobId = await createJob(client, LONG);
  await client.unary(GatewayService.method.cancelJob, { jobId });
  const [{ status, stderr }, unknown] = await Promise.all([jobId, 'no-such-job'].map((id) => watch(id, ['--nats'])));
  expect(stderr).toMatch(/note: the job has ended; its last events, from 1 on, are not in NATS\n/);
  expect(stderr).toMatch(/state +cancelled/);
  expect(status).toBe(130);
  expect(unknown.stderr).toMatch(/hifi: no job "no-such-job"\n$/);
  expect(unknown.status).toBe(3);
});
