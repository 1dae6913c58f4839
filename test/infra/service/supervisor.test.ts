import * as fs from 'node:fs';
import { GatewayService } from '../../../proto/gen/hifi/v1/gateway_pb';
import { complaints, createJob, deltaOf, eventsOf, follow, getJob, TINY } from '../../services/struck-job';
import { FIXTURES, temporaryFolder } from '../../support/deltas';
import { descendantsOf, endServices, processOf, signalTo, startAll } from '../../support/services';
import { until } from '../../support/until';

/* `hifi serve all`: a process per service, below one that supervises them. */
const NAMES = ['gateway', 'analyzer', 'trainer'] as const;
let stateDir: string;
let all: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  stateDir = temporaryFolder('supervisor');
  all = await startAll({ stateDir, dataRoots: [FIXTURES] });
});
afterAll(async () => {
  for (const client of Object.values(all?.clients ?? {})) client.close();
  await endServices();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

const pids = () => Object.fromEntries(NAMES.map((name) => [name, processOf(all.service.pid, name)]));

test.each(NAMES)('the %s that is killed starts again on its port, and the others stay', async (killed) => {
  const before = pids();
  signalTo(before[killed], 'SIGKILL');
  const after = await until(pids, (now) => now[killed] !== before[killed], `another ${killed}`);
  expect({ ...after, [killed]: 0 }).toEqual({ ...before, [killed]: 0 });
  expect(all.service.log).toContain(`the ${killed} was ended by SIGKILL`);
});

test('the services that started again do a job, on the same ports', async () => {
  const { gateway } = all.clients;
  await until(
    () => gateway.unary(GatewayService.method.listJobs, {}),
    () => true,
    'the gateway',
  );
  const jobId = await createJob(gateway, TINY);
  const live = await follow(gateway, jobId);
  const job = await getJob(gateway, jobId);
  const outcome = { job, live, events: await eventsOf(gateway, jobId), strikes: [], delta: deltaOf(stateDir, job) };
  expect(complaints(outcome, TINY.training!.epochs!)).toEqual([]);
});

test('a signal to all processes, as Ctrl-C sends it, ends them with exit code 0', async () => {
  const below = descendantsOf(all.service.pid);
  for (const pid of below) signalTo(pid, 'SIGINT');
  expect(await all.service.kill('SIGINT')).toEqual({ status: 0, signal: null });
  expect(below.filter((pid) => fs.existsSync(`/proc/${pid}`))).toEqual([]);
  expect(fs.readdirSync(stateDir).filter((name) => /\.(lock|sock)/.test(name))).toEqual([]);
});
