import { Metadata } from '@grpc/grpc-js';
import { context, trace } from '@opentelemetry/api';
import { runCommand } from '../../../foundation/command';
import { openLog } from '../../../infra/log';
import { openTelemetry, type Telemetry } from '../../../infra/telemetry';
import { extract, inject } from '../../../infra/telemetry/propagation';
import { setOtel } from '../../support/otel-environment';
import { type OtlpReceiver, type ReceivedRequest, startOtlpReceiver } from '../../support/otlp';
import { until } from '../../support/until';

/* The OTEL_* variables, checked with a real receiver of a span, a histogram and a log line. */

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const PROTOCOL = 'OTEL_EXPORTER_OTLP_PROTOCOL';
let receiver: OtlpReceiver;
let telemetry: Telemetry | undefined;
let warnings: string[];

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  warnings = [];
});
afterEach(async () => {
  await telemetry?.shutdown();
  telemetry = undefined;
  setOtel({});
  await receiver.stop();
});

function opened(variables: Record<string, string>): Telemetry {
  setOtel(variables);
  telemetry = openTelemetry('trainer', '1.2.3', (line) => warnings.push(line));
  return telemetry;
}

const quiet = { write() {} };

/** Opens telemetry, does work with a span, a histogram and a line of the log, and ends it. */
async function work(variables: Record<string, string>, parent?: string): Promise<void> {
  const telemetry = opened(variables);
  const histogram = telemetry.histogram('hifi.stage.duration', 's', 'Wall time of a stage');
  await telemetry.inSpan('work', { parent }, async () => {
    histogram.record(2, { stage: 'measure' });
    openLog('trainer', quiet).warn({ token: 'secret', rows: 3 }, 'a line');
  });
  await telemetry.shutdown();
}

const received = (field: keyof ReceivedRequest) =>
  Object.fromEntries(receiver.requests.map((request) => [request.signal, request[field]]));

const ALL = (value: unknown) => ({ traces: value, metrics: value, logs: value });

describe('protocols', () => {
  test.each([
    ['grpc', () => receiver.grpcEndpoint],
    ['http/protobuf', () => receiver.endpoint],
    ['http/json', () => receiver.endpoint],
  ])('%s brings spans, histograms and log records', async (protocol, endpoint) => {
    await work({ [ENDPOINT]: endpoint(), [PROTOCOL]: protocol });
    expect(received('protocol')).toEqual(ALL(protocol));
    const [span] = receiver.spans;
    expect(receiver.spans).toMatchObject([
      { name: 'work', kind: 'internal', service: 'hifi-trainer', parentSpanId: undefined, status: { code: 'unset' } },
    ]);
    expect(span.end).toBeGreaterThanOrEqual(span.start);
    expect(receiver.metrics).toMatchObject([
      { name: 'hifi.stage.duration', unit: 's', attributes: { stage: 'measure' }, count: 1, sum: 2 },
    ]);
    const { bounds = [], buckets = [] } = receiver.metrics[0];
    expect(buckets.flatMap((count, i) => (count ? [[bounds[i - 1], bounds[i]]] : []))).toEqual([[1, 2.5]]);
    const { traceId, spanId } = span;
    expect(receiver.logs).toMatchObject([
      { service: 'hifi-trainer', severity: 'warn', severityNumber: 13, body: 'a line', traceId, spanId },
    ]);
    expect(receiver.logs[0].attributes).toEqual({ token: '[redacted]', rows: 3 });
    expect(receiver.logs[0].time).toBeCloseTo(span.start, -4);
    expect(warnings).toEqual([]);
  });

  test('each signal has its own endpoint and protocol', async () => {
    await work({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: receiver.grpcEndpoint,
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${receiver.endpoint}/v1/metrics`,
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${receiver.endpoint}/v1/logs`,
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/protobuf',
    });
    expect(received('protocol')).toEqual({ traces: 'grpc', metrics: 'http/json', logs: 'http/protobuf' });
  });

  test.each(['traces', 'metrics', 'logs'])('the endpoint of %s alone turns this signal on', async (signal) => {
    await work({ [`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`]: `${receiver.endpoint}/v1/${signal}` });
    expect(received('protocol')).toEqual({ [signal]: 'http/protobuf' });
  });
});

describe('exporters', () => {
  test('OTEL_SDK_DISABLED turns all off', async () => {
    await work({ [ENDPOINT]: receiver.endpoint, OTEL_SDK_DISABLED: 'true' });
    expect(telemetry?.on).toBe(false);
    expect(receiver.requests).toEqual([]);
  });

  test.each(['traces', 'metrics', 'logs'])('none sends no %s', async (signal) => {
    await work({ [ENDPOINT]: receiver.endpoint, [`OTEL_${signal.toUpperCase()}_EXPORTER`]: 'none' });
    const { [signal]: _, ...others } = ALL('http/protobuf') as Record<string, unknown>;
    expect(received('protocol')).toEqual(others);
    expect(telemetry?.on).toBe(signal !== 'traces');
    expect(warnings).toEqual([]);
  });

  test('console writes to stdout, and needs no endpoint', async () => {
    const script = `
      const [telemetryFile, logFile] = process.argv.slice(1);
      const telemetry = require(telemetryFile).openTelemetry('trainer', '1.2.3');
      const log = require(logFile).openLog('trainer', { write() {} });
      telemetry.histogram('a.histogram', 's', '').record(1);
      telemetry.inSpan('a span', {}, async () => log.info('a line')).then(() => telemetry.shutdown());`;
    const files = [require.resolve('../../../infra/telemetry'), require.resolve('../../../infra/log')];
    const exporters = {
      OTEL_TRACES_EXPORTER: 'console',
      OTEL_METRICS_EXPORTER: 'console',
      OTEL_LOGS_EXPORTER: 'console',
    };
    const { output } = await runCommand(process.execPath, ['-e', script, ...files], { env: exporters });
    for (const written of ["name: 'a span'", "name: 'a.histogram'", "body: 'a line'"])
      expect(output).toContain(written);
  });
});

describe('the resource', () => {
  const resourceOf = async (variables: Record<string, string>) => {
    await work({ [ENDPOINT]: receiver.endpoint, OTEL_METRICS_EXPORTER: 'none', ...variables });
    expect(received('resource').traces).toEqual(received('resource').logs);
    return received('resource').traces;
  };

  test('is the service and its version by default', async () => {
    expect(await resourceOf({})).toMatchObject({ 'service.name': 'hifi-trainer', 'service.version': '1.2.3' });
  });

  test('has the attributes of OTEL_RESOURCE_ATTRIBUTES, which take precedence', async () => {
    const attributes = 'service.name=theirs,service.version=9,deployment.environment.name=a%2Cb';
    expect(await resourceOf({ OTEL_RESOURCE_ATTRIBUTES: attributes })).toMatchObject({
      'service.name': 'theirs',
      'service.version': '9',
      'deployment.environment.name': 'a,b',
    });
  });

  test('has the name of OTEL_SERVICE_NAME before all others', async () => {
    const variables = { OTEL_SERVICE_NAME: 'mine', OTEL_RESOURCE_ATTRIBUTES: 'service.name=theirs' };
    expect(await resourceOf(variables)).toMatchObject({ 'service.name': 'mine', 'service.version': '1.2.3' });
  });
});

describe('samplers', () => {
  const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  test.each<[sampler: string, argument: string, parent: string | undefined, spans: number]>([
    ['always_on', '', CALLER.replace(/1$/, '0'), 1],
    ['always_off', '', CALLER, 0],
    ['parentbased_always_off', '', undefined, 0],
    ['parentbased_always_off', '', CALLER, 1],
    ['traceidratio', '0', CALLER, 0],
    ['traceidratio', '1', undefined, 1],
    ['parentbased_traceidratio', '0', undefined, 0],
    ['parentbased_traceidratio', '0', CALLER, 1],
  ])('%s with argument "%s" below %s: %i spans', async (sampler, argument, parent, spans) => {
    const variables = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument };
    await work({ [ENDPOINT]: receiver.endpoint, ...variables }, parent);
    expect(receiver.spans).toHaveLength(spans);
    expect(receiver.logs).toHaveLength(1);
  });
});

describe('requests', () => {
  test.each(['grpc', 'http/protobuf'])('carry the headers of all and of one signal, by %s', async (protocol) => {
    await work({
      [ENDPOINT]: protocol === 'grpc' ? receiver.grpcEndpoint : receiver.endpoint,
      [PROTOCOL]: protocol,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=all,x-key=b%20c',
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'x-tenant=metrics',
    });
    const headers = received('headers');
    expect(headers.traces).toMatchObject({ 'x-tenant': 'all', 'x-key': 'b c' });
    expect(headers.metrics).toMatchObject({ 'x-tenant': 'metrics', 'x-key': 'b c' });
    expect(headers.logs).toMatchObject({ 'x-tenant': 'all' });
  });

  test.each(['grpc', 'http/protobuf'])('give up after the timeout of the signal, by %s', async (protocol) => {
    receiver.hang(true);
    const endpoint = protocol === 'grpc' ? receiver.grpcEndpoint : receiver.endpoint;
    const telemetry = opened({
      [ENDPOINT]: endpoint,
      [PROTOCOL]: protocol,
      OTEL_EXPORTER_OTLP_TIMEOUT: '600000',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '100',
      OTEL_BSP_EXPORT_TIMEOUT: '600000',
    });
    telemetry.record('unheard', Date.now() - 1, Date.now());
    await until(
      () => warnings,
      ({ length }) => length > 0,
      'a warning',
    );
    expect(warnings).toEqual([`telemetry cannot be sent to ${endpoint} by ${protocol}: no answer in time`]);
  });

  test('have at most OTEL_BSP_MAX_EXPORT_BATCH_SIZE spans', async () => {
    const telemetry = opened({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.endpoint}/v1/traces`,
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2',
    });
    for (let i = 0; i < 5; i++) telemetry.record(`span ${i}`, Date.now() - 1, Date.now());
    await telemetry.shutdown();
    expect(receiver.requests.map(({ items }) => items).sort()).toEqual([1, 2, 2]);
  });

  test('of spans wait for OTEL_BSP_SCHEDULE_DELAY', async () => {
    const telemetry = opened({
      [ENDPOINT]: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '600000',
      OTEL_METRIC_EXPORT_INTERVAL: '150',
    });
    telemetry.record('waits', Date.now() - 1, Date.now());
    telemetry.histogram('a', 's', '').record(1);
    // By default a span is sent after 250 ms.
    await receiver.waitFor(({ metrics }) => metrics.length >= 4, 'metrics');
    expect(receiver.spans).toEqual([]);
    await telemetry.shutdown();
    expect(receiver.spans).toHaveLength(1);
  });

  test('of spans give up after OTEL_BSP_EXPORT_TIMEOUT, and OTEL_BSP_MAX_QUEUE_SIZE spans wait', async () => {
    receiver.hang(true);
    const telemetry = opened({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.endpoint}/v1/traces`,
      OTEL_BSP_EXPORT_TIMEOUT: '100',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1',
      OTEL_BSP_MAX_QUEUE_SIZE: '3',
    });
    // The first is being sent; three wait.
    for (let i = 0; i < 6; i++) telemetry.record(`span ${i}`, Date.now() - 1, Date.now());
    await until(
      () => warnings,
      ({ length }) => length > 0,
      'a warning',
    );
    expect(warnings[0]).toMatch(/no answer in time$/);
    receiver.hang(false);
    await telemetry.shutdown();
    const names = receiver.spans.map(({ name }) => name);
    expect(names).toContain('span 3');
    expect(names).not.toContain('span 4');
  });
});

describe('OTEL_PROPAGATORS', () => {
  test.each<[propagators: string | undefined, names: string[]]>([
    [undefined, ['traceparent']],
    ['tracecontext,baggage', ['traceparent']],
    ['b3', ['b3']],
    ['b3multi,tracecontext', ['traceparent', 'x-b3-sampled', 'x-b3-spanid', 'x-b3-traceid']],
    ['jaeger', ['uber-trace-id']],
    ['none', []],
  ])('%s writes and reads %j', async (propagators, names) => {
    const variables = { [ENDPOINT]: receiver.endpoint, ...(propagators && { OTEL_PROPAGATORS: propagators }) };
    const telemetry = opened(variables);
    const metadata = new Metadata();
    const sent = await telemetry.inSpan('call', {}, async (span) => {
      inject(metadata);
      return span.spanContext();
    });
    expect(Object.keys(metadata.getMap()).sort()).toEqual(names);
    const read = trace.getSpanContext(extract(metadata));
    expect(read?.spanId).toBe(names.length > 0 ? sent.spanId : undefined);
  });

  test('alone is enough to pass a caller’s span on in its format', async () => {
    const telemetry = opened({ OTEL_PROPAGATORS: 'b3' });
    expect(telemetry.on).toBe(false);
    const [incoming, outgoing] = [new Metadata(), new Metadata()];
    incoming.set('b3', '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1');
    await context.with(extract(incoming), () => telemetry.inSpan('call', {}, async () => inject(outgoing)));
    expect(outgoing.getMap()).toEqual(incoming.getMap());
    expect(receiver.requests).toEqual([]);
  });
});

describe('a collector that speaks another protocol is reported in one line', () => {
  const signals = ['traces', 'metrics', 'logs'];
  test.each(signals)('%s by HTTP to a port of gRPC', async (signal) => {
    await work({ [ENDPOINT]: receiver.grpcEndpoint, ...onlyOf(signal) });
    expect(warnings).toEqual([
      `telemetry cannot be sent to ${receiver.grpcEndpoint} by http/protobuf: no HTTP server answers there; by convention port 4317 is gRPC and port 4318 is HTTP: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or the port of HTTP`,
    ]);
  });

  test.each(signals)('%s by gRPC to a port of HTTP', async (signal) => {
    await work({ [ENDPOINT]: receiver.endpoint, [PROTOCOL]: 'grpc', ...onlyOf(signal) });
    expect(warnings).toEqual([
      `telemetry cannot be sent to ${receiver.endpoint} by grpc: no gRPC server answers there; by convention port 4317 is gRPC and port 4318 is HTTP: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or the port of gRPC`,
    ]);
  });

  test('TLS to a port without it', async () => {
    const endpoint = receiver.endpoint.replace('http:', 'https:');
    await work({ [ENDPOINT]: endpoint, ...onlyOf('traces') });
    expect(warnings).toEqual([
      `telemetry cannot be sent to ${endpoint} by http/protobuf: no TLS is spoken there: an address without TLS begins with http://`,
    ]);
  });

  test('a collector without metrics', async () => {
    const nowhere = `${receiver.endpoint}/elsewhere`;
    await work({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: nowhere });
    expect(warnings).toEqual([
      `telemetry cannot be sent to ${nowhere} by http/protobuf: Not Found; for a collector that takes no metrics or no logs set OTEL_METRICS_EXPORTER=none or OTEL_LOGS_EXPORTER=none`,
    ]);
  });

  const onlyOf = (signal: string) =>
    Object.fromEntries(
      signals.filter((other) => other !== signal).map((other) => [`OTEL_${other.toUpperCase()}_EXPORTER`, 'none']),
    );
});
