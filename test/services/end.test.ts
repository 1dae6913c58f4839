import * as fs from 'node:fs';
import { followJob } from '../../gateway/follow-job';
import type { GrpcClient } from '../../infra/grpc/client';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { descendantsOf, endServices, enginesOf, processOf, Service, startAll } from '../support/services';
import { until } from '../support/until';
import { complaints, createJob, deltaOf, eventsOf, follow, getJob, MANY_STEPS, storedOf, TINY } from './struck-job';

/* Services end on request and lose nothing. */
let stateDir: string;
beforeEach(() => {
  stateDir = temporaryFolder('end');
});
afterEach(async () => {
  await endServices();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

test('SIGTERM in the middle of an epoch: a checkpoint is saved, the exit code is 0, and a restart produces the same delta', async () => {
  const { service, clients } = await startAll({ stateDir, dataRoots: [FIXTURES] });
  const undisturbed = await createJob(clients.gateway, MANY_STEPS);
  await follow(clients.gateway, undisturbed);
  const expected = deltaOf(stateDir, await getJob(clients.gateway, undisturbed));

  const jobId = await createJob(clients.gateway, MANY_STEPS);
  const reached = await stepOf(clients.gateway, jobId);
  const below = descendantsOf(service.pid);
  // No one watches: the only calls are the job's own.
  expect(await service.kill('SIGTERM')).toEqual({ status: 0, signal: null });
  expect(below.filter((pid) => fs.existsSync(`/proc/${pid}`))).toEqual([]);
  const { checkpoint } = storedOf(stateDir, jobId);
  expect(checkpoint).toBeGreaterThanOrEqual(reached);
  expect(checkpoint).toBeLessThan(1000);

  await service.restart();
  const live = await follow(clients.gateway, jobId);
  const job = await getJob(clients.gateway, jobId);
  const outcome = {
    job,
    live,
    events: await eventsOf(clients.gateway, jobId),
    strikes: [],
    delta: deltaOf(stateDir, job),
  };
  expect(complaints(outcome, 1, expected)).toEqual([]);
  expect(job.metrics?.resumedFromStep).toBe(checkpoint);
  for (const client of Object.values(clients)) client.close();
  expect(await service.kill('SIGTERM')).toEqual({ status: 0, signal: null });
}, 300_000);

test('a second serve on a state directory is refused with one line, and the first one continues', async () => {
  const { service, clients } = await startAll({ stateDir, dataRoots: [FIXTURES] });
  const jobId = await createJob(clients.gateway, TINY);
  for (const name of ['all', 'gateway', 'analyzer', 'trainer'] as const) {
    const words = [name, '--state-dir', stateDir, '--gateway-port', '0', '--analyzer-port', '0', '--trainer-port', '0'];
    const error: Error = await Service.start(words).then(
      () => new Error('it was served'),
      (refused) => refused,
    );
    const [how, ...lines] = error.message.trim().split('\n');
    expect(how).toContain('{"status":2,"signal":null}');
    const which = name === 'all' ? 'analyzer' : name;
    const holder = processOf(service.pid, which);
    const line = `hifi: the ${which} of ${stateDir} is in use by process ${holder}: end that one first, or give another --state-dir`;
    expect(lines).toEqual([line]);
  }
  const events = await follow(clients.gateway, jobId);
  expect(events.at(-1)?.event).toEqual({ kind: 'state', state: 'SUCCEEDED' });
  for (const client of Object.values(clients)) client.close();
});

test('a service that is killed during a call leaves no service and no engine', async () => {
  const { service, clients } = await startAll({ stateDir, dataRoots: [FIXTURES] });
  const jobId = await createJob(clients.gateway, MANY_STEPS);
  await stepOf(clients.gateway, jobId);
  const below = descendantsOf(service.pid);
  expect(enginesOf(service.pid, 'trainer')).toHaveLength(1);
  await service.kill('SIGKILL');
  await until(
    () => below.filter((pid) => fs.existsSync(`/proc/${pid}`)),
    (left) => left.length === 0,
    'the end of the services and engines',
  );
  for (const client of Object.values(clients)) client.close();
});

/** Waits until a job has reported a step. @returns the step */
async function stepOf(gateway: GrpcClient, jobId: string): Promise<number> {
  for await (const { event } of followJob(gateway, jobId, 1, new AbortController().signal)) {
    if (event.kind === 'progress' && event.stage === 'train') return event.done;
  }
  throw new Error(`job ${jobId} has reported no step`);
}
