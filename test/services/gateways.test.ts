import * as fs from 'node:fs';
import * as path from 'node:path';
import type { HeadReport } from '../../heads/head-report';
import { GrpcClient } from '../../infra/grpc/client';
import { AnalyzerService, ReportView } from '../../proto/gen/hifi/v1/analyzer_pb';
import { GatewayService, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { reportOf } from '../../proto/head-report';
import { startHifi } from '../cli/spawn';
import { type StoredEvent, sequencesOf, storedIn, upTo } from '../gateway/outbox-jobs';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp';
import { freePorts } from '../support/ports';
import { endServices, Service } from '../support/services';
import { until } from '../support/until';
import { createJob, eventsOf, follow, getJob, inlineRows, SHORT, type Spec } from './struck-job';

/* Two gateways on one store in JetStream: two analyzers, two trainers, one folder of artifacts. */
let nats: NatsServer;
let gateways: Service[];
let analyzers: Service[];
let collector: OtlpReceiver;
let clients: GrpcClient[];
const root = temporaryFolder('gateways');
const trainers = ['trainer-1', 'trainer-2'];
const readJson = (file: string) => JSON.parse(fs.readFileSync(file, 'utf8'));

beforeAll(async () => {
  [nats, collector] = [await startNats({ jetstream: true }), await startOtlpReceiver()];
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
  const ports = await freePorts(4);
  const [analyzing, training] = [ports.slice(0, 2), ports.slice(2)];
  const start = (name: string, kind: string, words: string[]) =>
    Service.start(
      [
        ...[kind, '--state-dir', path.join(root, name), '--artifacts', path.join(root, 'artifacts')],
        ...['--data-root', FIXTURES, ...words],
      ],
      env,
    );
  const listed = (ports: number[]) => ports.map((port) => `127.0.0.1:${port}`).join();
  const peers = ['--analyzer', listed(analyzing), '--trainer', listed(training)];
  const own = ['--gateway-port', '0', '--store', nats.url, ...peers];
  const started = await Promise.all([
    ...analyzing.map((port) => start(`analyzer-${port}`, 'analyzer', ['--analyzer-port', String(port)])),
    ...training.map((port, i) => start(trainers[i], 'trainer', ['--trainer-port', String(port)])),
    start('gateway-1', 'gateway', own),
    start('gateway-2', 'gateway', own),
  ]);
  [analyzers, gateways] = [started.slice(0, 2), started.slice(4)];
  clients = gateways.map(({ ports }) => new GrpcClient(`127.0.0.1:${ports.gateway}`));
});
afterAll(async () => {
  for (const client of clients ?? []) client.close();
  await endServices();
  await Promise.all([nats?.stop(), collector?.stop()]);
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

test('the trainers get jobs by base, and the second job on a base gets the graph of the first', async () => {
  const [, gateway] = clients;
  const ran = async (base: string) => {
    const spec = { ...SHORT, model: path.join(FIXTURES, base), training: { epochs: 1, batchSize: 8, maxLength: 48 } };
    const jobId = await createJob(gateway, spec as Spec);
    await follow(gateway, jobId);
    const { traceId } = await getJob(gateway, jobId);
    const [load] = await until(
      () => collector.spans.filter((span) => span.traceId === traceId && 'graph' in span.attributes),
      ({ length }) => length === 1,
      'the span of the loading',
    );
    const trainer = trainers.find((name) => fs.existsSync(path.join(root, name, 'runs', jobId)));
    return [trainer, load.name, load.attributes.graph];
  };
  const runs = [];
  for (const base of ['tiny-roberta', 'tiny-bert', 'tiny-bert', 'tiny-roberta']) runs.push(await ran(base));
  const [[roberta], [bert]] = runs;
  expect([roberta, bert].toSorted()).toEqual(trainers);
  expect(runs.slice(2)).toEqual([
    [bert, 'load', 'kept'],
    [roberta, 'load', 'kept'],
  ]);
});

test('an analysis is split over the analyzers, also when one dies, with the bits of one', async () => {
  const [, gateway] = clients;
  const model = path.join(FIXTURES, 'tiny-bert');
  const dataset = inlineRows(3000);
  const options = { samples: 2900, maxLength: 48 };
  const alone = new GrpcClient(`127.0.0.1:${analyzers[0].ports.analyzer}`);
  const call = alone.stream(AnalyzerService.method.analyze, { model, dataset, options, view: ReportView.FULL });
  let expected: HeadReport | undefined;
  for await (const { event } of call) if (event.case === 'report') expected = reportOf(event.value).report;
  alone.close();

  const spec: Spec = { model, train: dataset, analysis: options, analyzeOnly: true };
  for (const dies of [false, true]) {
    const jobId = await createJob(gateway, spec);
    let done = 0;
    await follow(gateway, jobId, async ({ event }) => {
      if (event.kind !== 'progress' || event.stage !== 'measure') return;
      expect(event.total).toBeGreaterThan(2800);
      done = Math.max(done, event.done);
      if (dies) await analyzers[1].kill();
    });
    const job = await getJob(gateway, jobId);
    expect([job.state, job.attempt]).toEqual([JobState.SUCCEEDED, 1]);
    const { sha256 } = job.artifacts.find(({ name }) => name === 'heads.json')!;
    const heads = readJson(path.join(root, 'artifacts', 'sha256', sha256));
    const { elapsedSeconds, ...same } = heads;
    expect(elapsedSeconds).toBeGreaterThan(0);
    expect({ ...same, elapsedSeconds: expected!.elapsedSeconds }).toMatchObject(expected as object);
    if (dies) break;
    // More than one shard has; the last progress may not be reported.
    expect(done).toBeGreaterThan(1500);
    expect(done).toBeLessThanOrEqual(2900);
    const ofJob = (name: string) =>
      collector.spans.filter((span) => span.traceId === job.traceId && span.name === name);
    const spans = await until(
      () => ofJob('hifi.analysis.shard'),
      ({ length }) => length === 2,
      'the spans of two shards',
    );
    const calls = await until(
      () => ofJob('hifi.v1.AnalyzerService/Analyze'),
      ({ length }) => length === 2,
      'the spans of their calls',
    );
    expect(calls.map(({ parentSpanId }) => parentSpanId).toSorted()).toEqual(
      spans.map(({ spanId }) => spanId).toSorted(),
    );
  }
});

test("a comparison's runs spread over the trainers, with the results of a local one, also after Ctrl-C", async () => {
  const [, gateway] = clients;
  const before = new Set((await gateway.unary(GatewayService.method.listJobs, {})).jobs.map(({ jobId }) => jobId));
  const words = (out: string, ...more: string[]) => [
    ...['compare', '--model', path.join(FIXTURES, 'tiny-bert'), '--train', path.join(FIXTURES, 'tiny-data/train.tsv')],
    ...['--text-columns', 'sentence', '--label-column', 'label', '--rows', '20', '--dev-rows', '12'],
    ...['--epochs', '2', '--batch-size', '8', '--k', '2', '--strategies', 'grad-l1', '--seeds', '2'],
    ...['--out', path.join(root, out), ...more],
  ];
  const remote = words('remote', '--gateway', `127.0.0.1:${gateways[1].ports.gateway}`);
  let sent = false;
  const interrupted = await startHifi(remote, (stderr, child) => {
    if (sent || !/^(score|train) /m.test(stderr)) return;
    sent = true; // a second one would end it at once
    child.kill('SIGINT');
  });
  expect(interrupted).toMatchObject({ status: 130, stderr: expect.stringMatching(/hifi: cancelled\n$/) });
  const jobs = async () => {
    const listed = await gateway.unary(GatewayService.method.listJobs, {});
    return listed.jobs.filter(({ jobId }) => !before.has(jobId));
  };
  const ended = await until(jobs, (all) => all.every(({ state }) => state >= JobState.SUCCEEDED), 'all jobs to end');
  expect(ended.map(({ state }) => state)).toContain(JobState.CANCELLED);

  const [resumed, local] = await Promise.all([startHifi(remote, () => {}), startHifi(words('local'), () => {})]);
  expect([resumed.status, local.status]).toEqual([0, 0]);
  const runsIn = (out: string) =>
    fs.readdirSync(path.join(root, out, 'runs')).map((name) => {
      const { seconds: _s, peakRssBytes: _p, ...run } = readJson(path.join(root, out, 'runs', name));
      return run;
    });
  expect(runsIn('remote')).toHaveLength(2);
  expect(runsIn('remote')).toEqual(runsIn('local'));
  const done = (await jobs()).filter(({ state }) => state === JobState.SUCCEEDED);
  const trained = trainers.map((name) => fs.readdirSync(path.join(root, name, 'runs')));
  for (const runs of trained) expect(done.some(({ jobId }) => runs.includes(jobId))).toBe(true);
});
