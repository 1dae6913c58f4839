import * as fs from 'node:fs';
import { inspect } from 'node:util';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { traceIdOf } from '../../infra/telemetry/traceparent';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { grpcurl } from '../support/grpcurl';
import { type Jaeger, startJaeger } from '../support/jaeger';
import { type NatsServer, startNats } from '../support/nats';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp';
import { inlineRows, PROBLEM_METRICS, PROBLEM_ROWS, ROW_PROBLEMS, type RowProblem } from '../support/problem-rows';
import { endServices, Service } from '../support/services';
import { hasTool } from '../support/tools';
import { until } from '../support/until';

/*
 * Job as its users see it: grpcurl by reflection, a subscriber of a real nats-server, a collector
 * of spans.
 */

const ANY_PORTS = ['--gateway-port', '0', '--analyzer-port', '0', '--trainer-port', '0'];
const SPEC = {
  model: 'tiny-bert',
  train: { path: 'tiny-data/train.tsv', text_columns: ['sentence'], label_column: 'label' },
  dev: { path: 'tiny-data/dev.tsv', text_columns: ['sentence'], label_column: 'label' },
  training: { epochs: 2, batch_size: 8 },
  selection: { k: 1 },
  exports: ['checkpoint'],
  register_as: 'story',
};

// biome-ignore lint/suspicious/noExplicitAny: JSON as grpcurl prints it
type Json = any;

/** Services of the contract at each port. */
const SERVED: Record<string, string[]> = {
  gateway: ['Artifact', 'Gateway', 'Registry'],
  analyzer: ['Analyzer', 'Inference'],
  trainer: ['Trainer'],
};

/** JSON content of a job's file. */
async function downloaded(port: number | undefined, artifacts: Json[], file: string): Promise<Json> {
  const { sha256 } = artifacts.find(({ name }: Json) => name === file);
  const pieces = await call(port, 'ArtifactService/DownloadArtifact', { sha256 });
  return JSON.parse(Buffer.concat(pieces.map(({ chunk }) => Buffer.from(chunk, 'base64'))).toString());
}

/** Parses the consecutive documents that grpcurl prints. */
const documents = (text: string): Json[] =>
  text.split(/^(?=\{)/m).flatMap((part) => (part.trim() ? [JSON.parse(part)] : []));

async function call(port: number | undefined, method: string, request: object): Promise<Json[]> {
  const { status, stdout, stderr } = await grpcurl([
    '-plaintext',
    ...['-d', JSON.stringify(request)],
    `127.0.0.1:${port}`,
    `hifi.v1.${method}`,
  ]);
  if (status !== 0) throw new Error(stderr);
  return documents(stdout);
}

/** Checks a job's trace: one root, all three services, every other span below one. */
function expectWhole(spans: { id: string; parent: string | undefined; service: string; name: string }[]): void {
  const ids = new Set(spans.map(({ id }) => id));
  const roots = spans.filter(({ parent }) => parent === undefined);
  expect(roots.map(({ name }) => name)).toEqual(['hifi.v1.GatewayService/CreateJob']);
  expect(spans.filter(({ parent }) => parent !== undefined && !ids.has(parent))).toEqual([]);
  expect(new Set(spans.map(({ service }) => service))).toEqual(
    new Set(['hifi-gateway', 'hifi-analyzer', 'hifi-trainer']),
  );
}

const PHASES = ['queued', 'analyzing', 'selecting', 'training', 'evaluating', 'exporting'].map(
  (each) => `hifi.job.${each}`,
);

describe.each([true, false])('with JetStream %s', (jetstream) => {
  let stateDir: string;
  let nats: NatsServer;
  let collector: OtlpReceiver;
  let connection: NatsConnection;
  let service: Service;
  const heard: { subject: string; body: Json; headers: Record<string, string> }[] = [];

  beforeAll(async () => {
    stateDir = temporaryFolder('job');
    [nats, collector] = [await startNats({ jetstream }), await startOtlpReceiver()];
    connection = await connect({ servers: nats.url });
    void (async () => {
      for await (const { subject, data, headers } of connection.subscribe('hifi.v1.jobs.>')) {
        const fields = Object.fromEntries([...(headers?.keys() ?? [])].map((key) => [key, headers!.get(key)]));
        heard.push({ subject, body: JSON.parse(Buffer.from(data).toString()), headers: fields });
      }
    })();
    await connection.flush();
    const otlp: Record<string, string> = jetstream
      ? { OTEL_EXPORTER_OTLP_ENDPOINT: collector.grpcEndpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
      : { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
    const env = { NATS_URL: nats.url, ...otlp };
    service = await Service.start(['all', '--state-dir', stateDir, '--data-root', FIXTURES, ...ANY_PORTS], env);
  });

  afterAll(async () => {
    await connection?.close();
    await endServices();
    await Promise.all([nats?.stop(), collector?.stop()]);
    fs.rmSync(stateDir, { recursive: true, force: true });
  });

  test('from CreateJob to SUCCEEDED: gRPC, NATS and the trace report the same events', async () => {
    const { gateway } = service.ports;
    const [{ job }] = await call(gateway, 'GatewayService/CreateJob', { request_id: 'story', spec: SPEC });
    expect(job).toMatchObject({ state: 'JOB_STATE_QUEUED', requestId: 'story', attempt: 0, lastSequence: 1 });

    const watched = (await call(gateway, 'GatewayService/WatchJob', { job_id: job.jobId })).map(({ event }) => event);
    expect(watched.map(({ sequence }) => sequence)).toEqual(watched.map((_, i) => i + 1));
    expect(watched.flatMap(({ state = [] }) => state)).toEqual(
      ['QUEUED', 'ANALYZING', 'SELECTING', 'TRAINING', 'EVALUATING', 'EXPORTING', 'SUCCEEDED'].map(
        (s) => `JOB_STATE_${s}`,
      ),
    );
    expect(watched.flatMap(({ epoch }) => (epoch ? [epoch.epoch] : []))).toEqual([1, 2]);

    // The same events in the same order.
    await until(
      async () => heard.filter(({ body }) => body.jobId === job.jobId).length,
      (count) => count >= watched.length,
      'all events on NATS',
    );
    expect(heard.map(({ body }) => body)).toEqual(watched);
    const kind = (event: Json) => ['state', 'progress', 'epoch', 'artifact'].find((each) => event[each] !== undefined);
    for (const [i, { subject, headers, body }] of heard.entries()) {
      expect(subject).toBe(`hifi.v1.jobs.${job.jobId}.${kind(body)}`);
      expect(headers).toMatchObject({
        'Nats-Msg-Id': `${job.jobId}:${i + 1}`,
        'ce-specversion': '1.0',
        'ce-id': `${job.jobId}:${i + 1}`,
        'ce-type': `hifi.v1.job.${kind(body)}`,
        // JSON of proto3 leaves out milliseconds of 0.
        'ce-time': new Date(body.time).toISOString(),
      });
      expect(traceIdOf(headers.traceparent)).toBe(job.traceId);
    }

    const [{ job: ended }] = await call(gateway, 'GatewayService/GetJob', { job_id: job.jobId });
    expect(ended).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempt: 1, lastSequence: watched.length });
    expect(ended.artifacts.map(({ name }: Json) => name)).toEqual(
      expect.arrayContaining(['heads.json', 'mask.json', 'metrics.json', 'delta/delta.safetensors', 'report.html']),
    );
    const names = watched.flatMap(({ artifact }) => (artifact ? [artifact.name] : []));
    expect(names.sort()).toEqual(ended.artifacts.map(({ name }: Json) => name).sort());

    // The job has registered its delta, and says so in its record and its events.
    const [{ delta }] = await call(gateway, 'RegistryService/GetDelta', { reference: 'story' });
    const fileOf = (name: string) => ended.artifacts.find((each: Json) => each.name === name).sha256;
    expect(delta).toMatchObject({
      ...{ name: 'story', version: 1, jobId: job.jobId, metric: 'accuracy', metricValue: ended.metrics.best.value },
      files: { info: fileOf('delta/delta.json'), tensors: fileOf('delta/delta.safetensors') },
    });
    expect(ended.registered).toBe('story:1');
    expect(await downloaded(gateway, ended.artifacts, 'registered.json')).toEqual({ name: 'story', version: 1 });
    const heads = await downloaded(gateway, ended.artifacts, 'heads.json');
    expect([delta.base, delta.dataSha256]).toEqual([
      { name: 'tiny-bert', sha256: heads.model.sha256 },
      heads.data.sha256,
    ]);

    const ofJob = () => collector.spans.filter(({ traceId }) => traceId === job.traceId);
    // Each service sends its spans itself, so a span may arrive before its parent.
    const arrived = () => {
      const ids = new Set(ofJob().map(({ spanId }) => spanId));
      const below = ofJob().every(({ parentSpanId }) => parentSpanId === undefined || ids.has(parentSpanId));
      return below && PHASES.every((name) => ofJob().some((span) => span.name === name));
    };
    await collector.waitFor(arrived, 'all phases, and what their spans are below');
    expectWhole(ofJob().map(({ spanId, parentSpanId, ...span }) => ({ id: spanId, parent: parentSpanId, ...span })));
    const named = (name: string) => ofJob().filter((span) => span.name === name);
    for (const name of ['onnxruntime', 'eigenvalues', 'hifi.train.window', 'hifi.v1.TrainerService/Train']) {
      expect([name, named(name).length > 0]).toEqual([name, true]);
    }
    expect(named('hifi.job.training')[0].attributes).toMatchObject({
      'hifi.job_id': job.jobId,
      'hifi.attempt': 1,
      'hifi.strategy': 'hifi',
      'hifi.device_used': 'cpu',
    });
    expect(ofJob().filter(({ name }) => name.includes(job.jobId))).toEqual([]);

    // The file has the errors; the record, events, spans and logs have no text of a row.
    const { errorAnalysis } = await downloaded(gateway, ended.artifacts, 'metrics.json');
    expect(errorAnalysis).toMatchObject({ rows: 40, unit: 'rows', classes: [{ label: '0' }, { label: '1' }] });
    const all = { depth: null, maxArrayLength: null, maxStringLength: null };
    const told = inspect([ended, heard, ofJob(), collector.logs], all);
    expect(errorAnalysis.worst.length).toBeGreaterThan(0);
    for (const { text } of errorAnalysis.worst) expect(told).not.toContain(text);
    const serving = collector.logs.filter(({ body }) => body === 'serving').map(({ service }) => service);
    expect(serving.sort()).toEqual(['hifi-analyzer', 'hifi-gateway', 'hifi-trainer']);
  });

  test('the same request_id is the same job; with another spec it is refused', async () => {
    const { gateway } = service.ports;
    const [{ job }] = await call(gateway, 'GatewayService/CreateJob', { request_id: 'story', spec: SPEC });
    expect(job.state).toBe('JOB_STATE_SUCCEEDED');
    const other = { ...SPEC, training: { epochs: 3 } };
    await expect(call(gateway, 'GatewayService/CreateJob', { request_id: 'story', spec: other })).rejects.toThrow(
      /AlreadyExists[\s\S]*request_id/,
    );
  });

  test('a job that ends with the analysis needs no labels', async () => {
    const { gateway } = service.ports;
    const spec = { model: 'tiny-bert', train: { inline: { texts: ['a b', 'b c a'] } }, analyze_only: true };
    const [{ job }] = await call(gateway, 'GatewayService/CreateJob', { spec });
    const watched = await call(gateway, 'GatewayService/WatchJob', { job_id: job.jobId });
    expect(watched.flatMap(({ event }) => event.state ?? [])).toEqual(
      ['QUEUED', 'ANALYZING', 'SUCCEEDED'].map((state) => `JOB_STATE_${state}`),
    );
    const [{ artifacts }] = await call(gateway, 'ArtifactService/ListArtifacts', { job_id: job.jobId });
    expect(artifacts.map(({ name }: Json) => name)).toEqual(expect.arrayContaining(['heads.json', 'report.html']));
    const heads = await downloaded(gateway, artifacts, 'heads.json');
    expect(heads).toMatchObject({ samples: 2, model: { name: 'tiny-bert' } });
  });
});

describe('ad hoc', () => {
  let stateDir: string;
  let service: Service;

  beforeAll(async () => {
    stateDir = temporaryFolder('ad-hoc');
    service = await Service.start(['all', '--state-dir', stateDir, '--data-root', FIXTURES, ...ANY_PORTS]);
  });
  afterAll(async () => {
    await endServices();
    fs.rmSync(stateDir, { recursive: true, force: true });
  });

  test("a report's basic view is short; layer 0 and head 0 are printed", async () => {
    const request = { model: 'tiny-bert', dataset: { inline: { texts: ['a b c', 'c b', 'b'] } }, options: { k: 1 } };
    const all = await call(service.ports.analyzer, 'AnalyzerService/Analyze', request);
    const { report } = all.at(-1);
    expect(JSON.stringify({ report }, null, 2).split('\n').length).toBeLessThanOrEqual(60);
    expect(report.topHeads).toHaveLength(5);
    expect(report.topHeads.every(({ layer, head }: Json) => Number.isInteger(layer) && Number.isInteger(head))).toBe(
      true,
    );
    const full = await call(service.ports.analyzer, 'AnalyzerService/Analyze', {
      ...request,
      view: 'REPORT_VIEW_FULL',
    });
    const heads = full.at(-1).report.topHeads.map(({ layer }: Json) => layer);
    expect(heads).toEqual(Array.from({ length: report.layers }, (_, layer) => layer));
  });

  test('jobs of several labels, of tokens and of relevance succeed; their events have the metrics', async () => {
    const { gateway } = service.ports;
    const rows = (problem: RowProblem, count: number) => {
      const { texts, secondTexts, labels } = inlineRows(problem, PROBLEM_ROWS[problem](count));
      return { problem, inline: { texts, second_texts: secondTexts, labels } };
    };
    const jobs = ROW_PROBLEMS.map(async (problem) => {
      const spec = { ...SPEC, train: rows(problem, 40), dev: rows(problem, 16), training: { epochs: 1 } };
      const [{ job }] = await call(gateway, 'GatewayService/CreateJob', { spec });
      const watched = await call(gateway, 'GatewayService/WatchJob', { job_id: job.jobId });
      expect([problem, watched.at(-1).event.state]).toEqual([problem, 'JOB_STATE_SUCCEEDED']);
      const [{ dev }] = watched.flatMap(({ event }) => event.epoch ?? []);
      expect(Object.keys(dev).sort()).toEqual([...PROBLEM_METRICS[problem], 'loss'].sort());
      const [{ job: ended }] = await call(gateway, 'GatewayService/GetJob', { job_id: job.jobId });
      const [metric] = PROBLEM_METRICS[problem];
      expect(ended.metrics).toMatchObject({ metric, best: { epoch: 1, value: dev[metric] } });
      expect(ended.artifacts.map(({ name }: Json) => name)).toContain('checkpoint/model.safetensors');
    });
    await Promise.all(jobs);
  });

  test.each<
    [what: string, service: 'gateway' | 'analyzer' | 'trainer', method: string, request: object, message: RegExp]
  >([
    ['an unknown field', 'analyzer', 'AnalyzerService/Analyze', { modl: 'x' }, /no known field named modl/],
    [
      'an unknown model',
      'analyzer',
      'AnalyzerService/DescribeModel',
      { model: './tiny-bart' },
      /InvalidArgument[\s\S]*"field": "model"[\s\S]*tiny-bert/,
    ],
    [
      'a bad option',
      'analyzer',
      'AnalyzerService/Analyze',
      { model: 'tiny-bert', dataset: { inline: { texts: ['a'] } }, options: { xi: 2 } },
      /InvalidArgument[\s\S]*"field": "options.xi"[\s\S]*at most 1/,
    ],
    [
      'a head that is not there',
      'trainer',
      'TrainerService/Train',
      { run_id: 'r', model: 'tiny-bert', train: SPEC.train, mask: { heads: [{ layer: 0, head: 99 }] } },
      /InvalidArgument[\s\S]*"field": "mask.heads\[0\].head"[\s\S]*it must be 0 to/,
    ],
    [
      'a path for a run',
      'trainer',
      'TrainerService/Train',
      { run_id: '../r', model: 'tiny-bert', train: SPEC.train, mask: { heads: [] } },
      /InvalidArgument[\s\S]*"field": "run_id"/,
    ],
    [
      'a path for an artifact',
      'gateway',
      'ArtifactService/DownloadArtifact',
      { sha256: '../../etc/passwd' },
      /InvalidArgument[\s\S]*"field": "sha256"/,
    ],
    ['a job that is not there', 'gateway', 'GatewayService/GetJob', { job_id: 'none' }, /NotFound/],
    [
      'a bad spec',
      'gateway',
      'GatewayService/CreateJob',
      { spec: { ...SPEC, training: { lr: 0 } } },
      /InvalidArgument[\s\S]*"field": "spec.training.lr"[\s\S]*above 0/,
    ],
    [
      'more heads than there are',
      'gateway',
      'GatewayService/CreateJob',
      { spec: { ...SPEC, selection: { k: 99 } } },
      /InvalidArgument[\s\S]*"field": "spec.selection.k"/,
    ],
    [
      'a column that is not there',
      'gateway',
      'GatewayService/CreateJob',
      { spec: { ...SPEC, train: { ...SPEC.train, text_columns: ['sentense'] } } },
      /InvalidArgument[\s\S]*"field": "spec.train.text_columns"[\s\S]*sentence/,
    ],
    [
      'rows outside the data roots',
      'gateway',
      'GatewayService/CreateJob',
      { spec: { ...SPEC, train: { path: '/etc/passwd' } } },
      /InvalidArgument[\s\S]*"field": "spec.train.path"/,
    ],
  ])(
    '%s: a status, the field and what would be right, in grpcurl’s own output',
    async (_, name, method, request, message) => {
      await expect(call(service.ports[name], method, request)).rejects.toThrow(message);
      expect(service.log).not.toMatch(/"level":"error"/);
    },
  );

  test('health and reflection on every port', async () => {
    for (const [name, port] of Object.entries(service.ports)) {
      const { stdout } = await grpcurl(['-plaintext', `127.0.0.1:${port}`, 'list']);
      const listed = stdout.split('\n').filter((line) => line.startsWith('hifi'));
      expect([name, listed]).toEqual([name, SERVED[name].map((each) => `hifi.v1.${each}Service`)]);
      for (const name of ['', ...stdout.split('\n').filter((line) => line.startsWith('hifi'))]) {
        const args = ['-plaintext', '-d', JSON.stringify({ service: name }), `127.0.0.1:${port}`];
        const health = await grpcurl([...args, 'grpc.health.v1.Health/Check']);
        expect(JSON.parse(health.stdout)).toEqual({ status: 'SERVING' });
      }
    }
  });
});

const whereJaegerIs = hasTool('jaeger-all-in-one') ? test : test.skip;

whereJaegerIs('Jaeger shows a job while it runs, and whole once it has ended', async () => {
  const stateDir = temporaryFolder('jaeger');
  let jaeger: Jaeger | undefined;
  try {
    jaeger = await startJaeger();
    const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${jaeger.otlp}/v1/traces` };
    const service = await Service.start(['all', '--state-dir', stateDir, '--data-root', FIXTURES, ...ANY_PORTS], env);
    const longer = { ...SPEC, training: { epochs: 40, batch_size: 2 } };
    const [{ job }] = await call(service.ports.gateway, 'GatewayService/CreateJob', { spec: longer });
    const { trace } = jaeger;
    const running = await until(
      async () => (await trace(job.traceId))?.spans ?? [],
      (spans) => spans.some(({ operationName }) => operationName === 'hifi.train.window'),
      'the first window of a training',
    );
    expect(running.map(({ operationName }) => operationName)).toContain('hifi.v1.GatewayService/CreateJob');
    await call(service.ports.gateway, 'GatewayService/WatchJob', { job_id: job.jobId });
    const whole = await until(
      () => trace(job.traceId),
      (found) => found?.spans.some(({ operationName }) => operationName === 'hifi.job.exporting') === true,
      'the last phase',
    );
    expectWhole(
      whole!.spans.map(({ spanID, references, processID, operationName }) => ({
        id: spanID,
        parent: references.find(({ refType }) => refType === 'CHILD_OF')?.spanID,
        service: whole!.processes[processID].serviceName,
        name: operationName,
      })),
    );
  } finally {
    await endServices();
    await jaeger?.stop();
    fs.rmSync(stateDir, { recursive: true, force: true });
  }
});
