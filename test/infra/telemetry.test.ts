import { setTimeout as sleep } from 'node:timers/promises';
import { trace } from '@opentelemetry/api';
import { runCommand } from '../../foundation/command';
import { failed, HifiError } from '../../foundation/errors';
import { openTelemetry, type ServiceName, type Span, type Telemetry } from '../../infra/telemetry';
import { currentTraceparent, newSpanId, siblingTraceparent, traceIdOf } from '../../infra/telemetry/traceparent';
import { setOtel } from '../support/otel-environment';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp';

const VARIABLE = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
let receiver: OtlpReceiver;
let open: Telemetry[] = [];

function telemetryOf(service: ServiceName, warn?: (line: string) => void): Telemetry {
  setOtel({ [VARIABLE]: receiver.endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: '5000' });
  const telemetry = openTelemetry(service, '1.2.3', warn);
  open.push(telemetry);
  return telemetry;
}

/** The one span of this name. */
async function spanOf(name: string) {
  await receiver.waitFor(({ spans }) => spans.some((span) => span.name === name), name);
  const found = receiver.spans.filter((span) => span.name === name);
  expect(found).toHaveLength(1);
  return found[0];
}

beforeEach(async () => {
  receiver = await startOtlpReceiver();
});

afterEach(async () => {
  await Promise.all(open.map((telemetry) => telemetry.shutdown()));
  open = [];
  await receiver.stop();
  setOtel({});
});

describe('a span', () => {
  it('is below the one that is active, across awaits and timers, with its name, times and attributes', async () => {
    const telemetry = telemetryOf('gateway');
    const result = await telemetry.inSpan('outer', { kind: 'server', attributes: { 'hifi.k': 3 } }, async (outer) => {
      await sleep(5);
      await Promise.all(
        ['left', 'right'].map((name) =>
          telemetry.inSpan(name, {}, async () => {
            await new Promise((resolve) => setTimeout(resolve, 5));
            await telemetry.inSpan(`below ${name}`, {}, () => sleep(2));
          }),
        ),
      );
      outer.setAttribute('hifi.done', true);
      return 'result';
    });
    expect(result).toBe('result');
    const outer = await spanOf('outer');
    const left = await spanOf('left');
    const right = await spanOf('right');
    const [belowLeft, belowRight] = [await spanOf('below left'), await spanOf('below right')];
    expect(outer).toMatchObject({
      ...{ service: 'hifi-gateway', kind: 'server', parentSpanId: undefined },
      ...{ attributes: { 'hifi.k': 3, 'hifi.done': true }, status: { code: 'unset' } },
    });
    expect([left.parentSpanId, right.parentSpanId]).toEqual([outer.spanId, outer.spanId]);
    expect([belowLeft.parentSpanId, belowRight.parentSpanId]).toEqual([left.spanId, right.spanId]);
    expect(new Set(receiver.spans.map((span) => span.traceId))).toEqual(new Set([outer.traceId]));
    for (const [above, below] of [
      [outer, left],
      [left, belowLeft],
    ]) {
      expect(above.start).toBeLessThanOrEqual(below.start);
      expect(below.start).toBeLessThanOrEqual(below.end);
    }
  });

  it('is sent when it ends, while its parent still runs', async () => {
    const telemetry = telemetryOf('trainer');
    await telemetry.inSpan('job', {}, async () => {
      for (const name of ['first', 'second']) {
        await telemetry.inSpan(name, {}, () => sleep(2));
        await spanOf(name);
      }
      expect(receiver.spans.map((span) => span.name)).toEqual(['first', 'second']);
    });
    await spanOf('job');
    const [first, second] = receiver.spans;
    expect(first.end).toBeLessThanOrEqual(second.start);
  });

  it('is marked with the error that the work throws', async () => {
    const telemetry = telemetryOf('trainer');
    const error = failed('no memory for 12 tensors');
    await expect(telemetry.inSpan('fails', {}, () => Promise.reject(error))).rejects.toBe(error);
    await expect(
      telemetry.inSpan('throws', {}, () => {
        throw new TypeError('at once');
      }),
    ).rejects.toThrow('at once');
    expect(await spanOf('fails')).toMatchObject({
      status: { code: 'error', message: 'no memory for 12 tensors' },
      attributes: { 'error.type': 'FAILED' },
      events: [{ name: 'exception', attributes: { 'exception.message': 'no memory for 12 tensors' } }],
    });
    expect((await spanOf('throws')).status).toEqual({ code: 'error', message: 'at once' });
  });

  it('is below a traceparent, a span or none, and has links', async () => {
    const telemetry = telemetryOf('gateway');
    const reply = await telemetry.inSpan('called', { parent: CALLER, links: [CALLER, 'nothing'] }, async () => {
      await telemetry.inSpan('apart', { parent: null }, async () => {});
      await telemetry.inSpan('stray', { parent: '00-zz' }, async () => {});
      return currentTraceparent();
    });
    let ended: Span | undefined;
    await telemetry.inSpan('ended', {}, async (span) => {
      ended = span;
    });
    await telemetry.inSpan('below ended', { parent: ended }, async () => {});
    const called = await spanOf('called');
    expect(called).toMatchObject({ traceId: traceIdOf(CALLER), parentSpanId: 'b7ad6b7169203331' });
    expect(called.links).toMatchObject([{ traceId: traceIdOf(CALLER), spanId: 'b7ad6b7169203331' }]);
    expect(reply).toBe(`00-${called.traceId}-${called.spanId}-01`);
    for (const name of ['apart', 'stray']) {
      expect(await spanOf(name)).toMatchObject({ parentSpanId: undefined });
      expect((await spanOf(name)).traceId).not.toBe(called.traceId);
    }
    expect((await spanOf('below ended')).parentSpanId).toBe((await spanOf('ended')).spanId);
    expect(trace.getActiveSpan()).toBeUndefined();
  });

  it('that a caller does not sample is not sent, nor is what is below it', async () => {
    const telemetry = telemetryOf('gateway');
    const parent = CALLER.replace(/1$/, '0');
    await telemetry.inSpan('unseen', { parent }, () => telemetry.inSpan('unseen too', {}, async () => {}));
    await telemetry.inSpan('seen', {}, async () => {});
    await spanOf('seen');
    expect(receiver.spans).toHaveLength(1);
  });

  it('of a killed process is recorded by another one under its stored id, so its children have a parent', async () => {
    const spanId = newSpanId();
    const phase = siblingTraceparent(CALLER, spanId) as string;
    const killed = telemetryOf('gateway');
    await killed.inSpan('step of the phase', { parent: phase }, async () => {});
    const step = await spanOf('step of the phase');
    await killed.shutdown();
    // Another process resumes; it starts after the span began.
    const heir = telemetryOf('gateway');
    const [from, to] = [performance.timeOrigin - 86_400_000.5, performance.timeOrigin - 1000];
    heir.record('phase', from, to, { parent: CALLER, spanId, error: 'interrupted', attributes: { 'hifi.attempt': 1 } });
    await heir.inSpan('phase again', { parent: CALLER, links: [phase] }, async () => {});
    const interrupted = await spanOf('phase');
    expect(interrupted).toMatchObject({ spanId, traceId: step.traceId, parentSpanId: 'b7ad6b7169203331' });
    expect(interrupted).toMatchObject({
      status: { code: 'error', message: 'interrupted' },
      attributes: { 'hifi.attempt': 1 },
    });
    expect([interrupted.start, interrupted.end]).toEqual([expect.closeTo(from, 2), expect.closeTo(to, 2)]);
    expect(step.parentSpanId).toBe(interrupted.spanId);
    const again = await spanOf('phase again');
    expect(again.spanId).not.toBe(spanId);
    expect(again.links).toMatchObject([{ spanId }]);
  });

  it('may begin under an id created in advance and end as any other', async () => {
    const telemetry = telemetryOf('gateway');
    const spanId = newSpanId();
    await telemetry.inSpan('phase', { spanId, startTime: Date.now() - 5000 }, async (span) => {
      expect(span.spanContext().spanId).toBe(spanId);
      await telemetry.inSpan('below', {}, async () => {});
    });
    const phase = await spanOf('phase');
    expect(phase.spanId).toBe(spanId);
    expect(phase.end - phase.start).toBeGreaterThanOrEqual(5000);
    expect(await spanOf('below')).toMatchObject({ parentSpanId: spanId });
    expect((await spanOf('below')).spanId).not.toBe(spanId);
  });
});

it('a histogram comes with its values in buckets of seconds', async () => {
  const telemetry = telemetryOf('analyzer');
  const histogram = telemetry.histogram('hifi.stage.duration', 's', 'Wall time of a stage');
  for (const value of [0.007, 0.02, 45]) histogram.record(value, { stage: 'measure' });
  histogram.record(1, { stage: 'load' });
  await telemetry.shutdown();
  const of = (stage: string) => receiver.metrics.find((point) => point.attributes.stage === stage);
  expect(of('measure')).toMatchObject({
    ...{ service: 'hifi-analyzer', name: 'hifi.stage.duration', unit: 's', description: 'Wall time of a stage' },
    ...{ count: 3, sum: expect.closeTo(45.027, 9) },
  });
  const { bounds = [], buckets = [] } = of('measure') ?? {};
  const filled = buckets.flatMap((count, i) => (count > 0 ? [[bounds[i - 1], bounds[i], count]] : []));
  expect(filled).toEqual([
    [0.005, 0.01, 1],
    [0.01, 0.025, 1],
    [30, 60, 1],
  ]);
  expect(of('load')).toMatchObject({ count: 1, sum: 1 });
});

describe('shutting down', () => {
  it('sends the rest', async () => {
    const telemetry = telemetryOf('trainer');
    for (let i = 0; i < 1500; i++) telemetry.record('many', Date.now() - 1, Date.now());
    await telemetry.shutdown();
    expect(receiver.spans).toHaveLength(1500);
  });

  it.each(['is gone', 'hangs'])('ends also if the collector %s, without an effect on the work', async (state) => {
    const telemetry = telemetryOf('trainer');
    if (state === 'hangs') receiver.hang(true);
    else await receiver.stop();
    telemetry.histogram('hifi.stage.duration', 's', '').record(1);
    expect(await telemetry.inSpan('unheard', {}, async () => 'result')).toBe('result');
    await telemetry.shutdown();
    await telemetry.shutdown();
    expect(await telemetry.inSpan('too late', {}, async () => 'result')).toBe('result');
    if (state === 'is gone') receiver = await startOtlpReceiver();
  });
});

it('reports a collector that refuses once, not for each batch', async () => {
  const lines: string[] = [];
  receiver.refuse(true);
  const telemetry = telemetryOf('gateway', (line) => lines.push(line));
  for (const name of ['first', 'second']) {
    const before = receiver.refused;
    await telemetry.inSpan(name, {}, async () => {});
    await receiver.waitFor(({ refused }) => refused > before, 'a refusal');
  }
  receiver.refuse(false);
  await telemetry.inSpan('sent', {}, async () => {});
  await spanOf('sent');
  expect(lines).toEqual([`telemetry cannot be sent to ${receiver.endpoint} by http/protobuf: 403 Forbidden`]);
});

describe('without a collector', () => {
  const API = ['@opentelemetry/api', '@opentelemetry/context-async-hooks'];

  it('nothing but the API is loaded, and work is done', async () => {
    const script = `
      const { openTelemetry } = require(process.argv[1]);
      const telemetry = openTelemetry('gateway', '1.2.3');
      telemetry.histogram('a', 's', '').record(1);
      telemetry.record('a', 1, 2);
      telemetry.inSpan('a', {}, async () => 'done').then(async (result) => {
        await telemetry.shutdown();
        const packages = Object.keys(require.cache)
          .map((file) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)\\/(?!.*node_modules)/.exec(file)?.[1]);
        const loaded = [...new Set(packages)].filter((name) => name && !name.startsWith('@swc/'));
        console.log(JSON.stringify({ on: telemetry.on, result, loaded }));
      });`;
    const load = async (endpoint: string | undefined) => {
      const env = { [VARIABLE]: endpoint };
      const { output } = await runCommand(process.execPath, ['-e', script, require.resolve('../../infra/telemetry')], {
        env,
      });
      return JSON.parse(output);
    };
    expect(await load(undefined)).toEqual({ on: false, result: 'done', loaded: API });
    expect(await load('')).toMatchObject({ on: false });
    const on = await load(receiver.endpoint);
    expect(on.on).toBe(true);
    expect(on.loaded).toContain('@opentelemetry/sdk-node');
  });

  it('passes a caller’s traceparent on', async () => {
    const telemetry = openTelemetry('analyzer');
    open.push(telemetry);
    const seen = await telemetry.inSpan('a', { parent: CALLER }, async () => {
      await sleep(1);
      return telemetry.inSpan('b', {}, async () => currentTraceparent());
    });
    expect(seen).toBe(CALLER);
    expect(await telemetry.inSpan('a', {}, async () => currentTraceparent())).toBeUndefined();
    await expect(telemetry.inSpan('a', {}, () => Promise.reject(failed('x')))).rejects.toBeInstanceOf(HifiError);
  });

  it.each(['localhost:4318', 'http://', 'collector'])('rejects %s, which is no address', (endpoint) => {
    setOtel({ [VARIABLE]: endpoint });
    expect(() => openTelemetry('trainer')).toThrow(
      `OTEL_EXPORTER_OTLP_ENDPOINT is "${endpoint}": it must be an address such as http://127.0.0.1:4318`,
    );
  });
});
