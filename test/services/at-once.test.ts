import * as fs from 'node:fs';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { clientsOf, endServices, type Service, startAll } from '../support/services';
import { createJob, eventsOf, TINY } from './struck-job';

/* Many concurrent clients, each with its own connection. */
let stateDir: string;
let service: Service;
const closings: (() => void)[] = [];

beforeAll(async () => {
  stateDir = temporaryFolder('at-once');
  ({ service } = await startAll({ stateDir, dataRoots: [FIXTURES] }));
});
afterAll(async () => {
  for (const close of closings) close();
  await endServices();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

const gateways = (count: number) =>
  Array.from({ length: count }, () => {
    const { gateway, analyzer, trainer } = clientsOf(service.ports);
    for (const client of [gateway, analyzer, trainer]) closings.push(() => client.close());
    return gateway;
  });

test('one request_id from 50 concurrent clients is one job', async () => {
  const clients = gateways(50);
  const ids = await Promise.all(
    clients.map((gateway) => createJob(gateway, { ...TINY, analyzeOnly: true }, 'the-one')),
  );
  expect(new Set(ids).size).toBe(1);
  const { jobs } = await clients[0].unary(GatewayService.method.listJobs, {});
  expect(jobs.map(({ requestId }) => requestId)).toEqual(['the-one']);
  // Another spec under that id is refused.
  await expect(createJob(clients[0], TINY, 'the-one')).rejects.toMatchObject({
    details: { violations: [{ field: 'request_id' }] },
  });
});

test('100 watchers of a job see all of its events, each in the same order', async () => {
  const clients = gateways(100);
  const jobId = await createJob(clients[0], TINY);
  const lists = await Promise.all(clients.map((gateway) => eventsOf(gateway, jobId)));
  const [first] = lists;
  expect(first.at(-1)?.event).toEqual({ kind: 'state', state: 'SUCCEEDED' });
  expect(first.map(({ sequence }) => sequence)).toEqual(first.map((_, i) => i + 1));
  for (const list of lists) expect(list).toEqual(first);
  expect(await eventsOf(clients[0], jobId)).toEqual(first);
  expect(service.log).not.toContain('MaxListeners');
});
