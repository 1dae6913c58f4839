import { setTimeout as delay } from 'node:timers/promises';
import { HifiError } from '../../foundation/errors';
import { followJob } from '../../gateway/follow-job';
import { Absence } from '../../infra/grpc/absence';
import { GrpcClient } from '../../infra/grpc/client';
import type { Call } from '../../infra/grpc/handlers';
import { GrpcServer } from '../../infra/grpc/server';
import { GatewayService, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { RpcError, status } from '../../proto/status';
import { freePorts } from '../support/ports';

/** Longest absence of a gateway in this test, in milliseconds. */
const AWAY_MS = 1200;
const unused = () => {
  throw new Error('it is not called');
};

/** Gateway with one job, which is silent until it ends. */
async function gatewayAt(port: number, ended: boolean): Promise<GrpcServer> {
  const server = new GrpcServer({ host: '127.0.0.1', port });
  server.add(GatewayService, {
    async *watchJob({ jobId }, { signal }: Call) {
      if (!ended) await new Promise((left) => signal.addEventListener('abort', left, { once: true }));
      yield { event: { jobId, sequence: 1, event: { case: 'state' as const, value: JobState.SUCCEEDED } } };
    },
    createJob: unused,
    getJob: unused,
    listJobs: unused,
    cancelJob: unused,
    deleteJob: unused,
    estimateJob: unused,
  });
  await server.start();
  return server;
}

test('a watch of a long silent job survives a restart of the gateway, and gives up on a lasting absence', async () => {
  const [port] = await freePorts(1);
  const client = new GrpcClient(`127.0.0.1:${port}`);
  const notes: string[] = [];
  const follow = () =>
    followJob(client, 'job', 1, new AbortController().signal, { note: (line) => notes.push(line), awayMs: AWAY_MS });
  let server = await gatewayAt(port, false);
  const first = follow().next();
  first.catch(() => {});
  // The job is silent for longer than a gateway may be away.
  await delay(2 * AWAY_MS);
  await server.drain(0);
  await delay(AWAY_MS / 2);
  server = await gatewayAt(port, true);
  expect((await first).value).toMatchObject({ sequence: 1, event: { kind: 'state', state: 'SUCCEEDED' } });
  expect(notes).toEqual([`127.0.0.1:${port} is away; waiting for it`]);

  await server.drain(0);
  const given = await follow()
    .next()
    .catch((error) => error);
  expect(given).toBeInstanceOf(HifiError);
  expect(given).toMatchObject({ code: 'FAILED', message: expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/) });
  client.close();
});

describe('absence of a peer', () => {
  const away = new RpcError(status.UNAVAILABLE, 'UNAVAILABLE', 'no connection');
  const lost = new RpcError(status.UNAVAILABLE, 'ENGINE_LOST', 'the engine was ended by SIGKILL');

  test('starts at the first call that fails', async () => {
    const absence = new Absence(100);
    await delay(150);
    absence.begin();
    expect(absence.isTooLong(away)).toBe(false);
    await delay(150);
    absence.begin();
    expect(absence.isTooLong(away)).toBe(true);
  });

  test.each<[what: string, there: (absence: Absence) => void]>([
    ['an answer', (absence) => absence.answered()],
    ['an error of its own', (absence) => absence.isTooLong(lost)],
  ])('starts again after %s', async (_, there) => {
    const absence = new Absence(100);
    expect(absence.isTooLong(away)).toBe(false);
    await delay(150);
    there(absence);
    absence.begin();
    expect(absence.isTooLong(away)).toBe(false);
  });

  test('starts again after a long call, which proves that the peer was available', async () => {
    const absence = new Absence(100, 50);
    expect(absence.isTooLong(away)).toBe(false);
    await delay(60);
    absence.begin();
    await delay(90);
    expect(absence.isTooLong(away)).toBe(false);
  });
});
