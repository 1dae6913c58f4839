import * as fs from 'node:fs';
import { status } from '@grpc/grpc-js';
import type { ServeSettings } from '../../infra/service/settings';
import { JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { freePorts } from '../support/ports';
import { clientsOf, endServices, Service } from '../support/services';
import { createJob, follow, getJob, TINY } from './struck-job';

const stateDir = temporaryFolder('away');
afterAll(async () => {
  await endServices();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

test('a lasting absence of the trainer ends the job, despite stored results at each attempt, and the next job runs', async () => {
  const [nobody] = await freePorts(1);
  const roots = ['--state-dir', stateDir, '--data-root', FIXTURES];
  const silent = { HIFI_LOG: 'silent' };
  const analyzer = await Service.start(['analyzer', '--analyzer-port', '0', ...roots], silent);
  const settings: ServeSettings = {
    name: 'gateway',
    stateDir,
    host: '127.0.0.1',
    port: 0,
    peers: { analyzer: [`127.0.0.1:${analyzer.ports.analyzer}`], trainer: [`127.0.0.1:${nobody}`] },
    dataRoots: [FIXTURES],
    guard: {},
    credentials: {},
    insecure: false,
    awayMs: 1500,
    version: '0',
  };
  const entry = require.resolve('./serve-child');
  const service = await Service.start([JSON.stringify(settings)], silent, entry);
  const { gateway, ...others } = clientsOf(service.ports);
  const stuck = await createJob(gateway, TINY);
  const next = await createJob(gateway, {
    ...TINY,
    analyzeOnly: true,
    selection: undefined,
    training: undefined,
    exports: [],
  });
  await follow(gateway, stuck);
  const failed = await getJob(gateway, stuck);
  expect(failed).toMatchObject({ state: JobState.FAILED, error: { code: status.UNAVAILABLE } });
  expect(failed.error?.message).toBe(`127.0.0.1:${nobody} cannot be reached (ECONNREFUSED)`);
  // The job had several attempts, all with the analysis of the first one.
  expect(failed.attempt).toBeGreaterThan(1);
  expect(failed.artifacts.map(({ name }) => name)).toEqual(expect.arrayContaining(['heads.json', 'mask.json']));
  await follow(gateway, next);
  expect(await getJob(gateway, next)).toMatchObject({ state: JobState.SUCCEEDED });
  for (const client of [gateway, ...Object.values(others)]) client.close();
});
