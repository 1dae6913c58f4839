import * as fs from 'node:fs';
import * as path from 'node:path';
import { SCHEDULER_DEFAULTS } from '../../gateway/scheduler';
import type { SuperviseSettings } from '../../infra/service/supervisor';
import { AnalyzerService } from '../../proto/gen/hifi/v1/analyzer_pb';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { status } from '../../proto/status';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { clientsOf, endServices, enginesOf, Service, signalTo } from '../support/services';
import { until } from '../support/until';
import { complaints, createJob, eventsOf, follow, getJob, LONG, type Strike, storedOf, TINY } from './struck-job';

/* Engines that hang (a signal stops them, so they neither end nor report) or die repeatedly. */

/** Silence limit, in milliseconds: longer than an engine takes to load on a busy machine. */
const SILENCE_MS = 8000;
let stateDir: string;
let service: Service;
let clients: ReturnType<typeof clientsOf>;

beforeAll(async () => {
  stateDir = temporaryFolder('hung');
  const settings: Omit<SuperviseSettings, 'entry'> = {
    stateDir,
    host: '127.0.0.1',
    ports: { gateway: 0, analyzer: 0, trainer: 0 },
    dataRoots: [FIXTURES],
    guard: {},
    insecure: false,
    engineProcess: { silenceMs: SILENCE_MS },
    version: '0.0.0',
  };
  service = await Service.start([JSON.stringify(settings)], {}, path.join(__dirname, 'serve-child.ts'));
  clients = clientsOf(service.ports);
});
afterAll(async () => {
  for (const client of Object.values(clients ?? {})) client.close();
  await endServices();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

test('an analysis whose engine hangs fails with ENGINE_LOST, and the next one starts another engine', async () => {
  const request = { model: TINY.model, dataset: TINY.train, options: { samples: 20 } };
  const analyze = async () => {
    let stages = 0;
    for await (const { event } of clients.analyzer.stream(AnalyzerService.method.analyze, request)) {
      if (event.case === 'report') return event.value.samples;
      stages++;
    }
    return stages;
  };
  expect(await analyze()).toBe(20);
  const [engine] = enginesOf(service.pid, 'analyzer');
  signalTo(engine, 'SIGSTOP');
  await expect(analyze()).rejects.toMatchObject({ code: status.UNAVAILABLE, reason: 'ENGINE_LOST' });
  expect(enginesOf(service.pid, 'analyzer')).not.toContain(engine);
  expect(await analyze()).toBe(20);
});

test('an estimate whose engine hangs fails with ENGINE_LOST', async () => {
  const before = enginesOf(service.pid, 'analyzer');
  const answer = clients.gateway.unary(GatewayService.method.estimateJob, { spec: TINY });
  const refused = expect(answer).rejects.toMatchObject({ code: status.UNAVAILABLE, reason: 'ENGINE_LOST' });
  const own = () => enginesOf(service.pid, 'analyzer').filter((pid) => !before.includes(pid));
  const [engine] = await until(own, (engines) => engines.length > 0, 'an engine of the estimate');
  signalTo(engine, 'SIGSTOP');
  await refused;
  expect(own()).toEqual([]);
});

test('a job whose engine hangs resumes from its checkpoint with another one', async () => {
  const [undisturbed, hung] = [await createJob(clients.gateway, LONG), await createJob(clients.gateway, LONG)];
  await follow(clients.gateway, undisturbed);
  const strikes: Strike[] = [];
  let stopped: number[] = [];
  const live = await follow(clients.gateway, hung, ({ event }) => {
    if (event.kind !== 'epoch' || event.epoch.epoch < 2 || strikes.length > 0) return;
    stopped = enginesOf(service.pid, 'trainer');
    const hit = stopped.some((engine) => signalTo(engine, 'SIGSTOP'));
    strikes.push({ victim: 'engine', moment: 'epoch', hit, ...storedOf(stateDir, hung) });
  });
  const job = await getJob(clients.gateway, hung);
  const deltaIn = ({ artifacts }: typeof job) =>
    artifacts.find(({ name }) => name === 'delta/delta.safetensors')?.sha256;
  const events = await eventsOf(clients.gateway, hung);
  expect(strikes).toMatchObject([{ hit: true, trained: false }]);
  const expected = deltaIn(await getJob(clients.gateway, undisturbed));
  const outcome = { job, live, events, strikes, delta: deltaIn(job) };
  expect(complaints(outcome, LONG.training!.epochs!, expected)).toEqual([]);
  expect(job.attempt).toBe(2);
  expect(job.metrics?.resumedFromStep).toBeGreaterThan(0);
  expect(
    await until(
      () => enginesOf(service.pid, 'trainer').filter((engine) => stopped.includes(engine)),
      (left) => left.length === 0,
      'the end of the stopped engine',
    ),
  ).toEqual([]);
});

test('a job whose engine dies at the same step each time fails, despite its stored results', async () => {
  const killing = setInterval(() => {
    for (const engine of enginesOf(service.pid, 'trainer')) signalTo(engine, 'SIGKILL');
  }, 20);
  const jobId = await createJob(clients.gateway, TINY);
  const events = await follow(clients.gateway, jobId).finally(() => clearInterval(killing));
  expect(events.at(-1)?.event).toEqual({ kind: 'state', state: 'FAILED' });
  const { attempt, error, artifacts } = await getJob(clients.gateway, jobId);
  expect(attempt).toBe(SCHEDULER_DEFAULTS.lostEngines);
  expect(error).toMatchObject({ code: status.UNAVAILABLE, message: expect.stringContaining('SIGKILL') });
  expect(artifacts.map(({ name }) => name)).toEqual(['heads.json', 'mask.json']);
});
