import * as fs from 'node:fs';
import * as http2 from 'node:http2';
import * as os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { AnalyzeRequestSchema, AnalyzerService } from '../../proto/gen/hifi/v1/analyzer_pb';
import { GatewayService, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { TrainerService } from '../../proto/gen/hifi/v1/trainer_pb';
import { maskMessage } from '../../proto/mask';
import { status } from '../../proto/status';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { type clientsOf, endServices, enginesOf, type Service, startAll, ticksOf } from '../support/services';
import { until } from '../support/until';
import { maskOf } from '../trainer/runs';
import {
  createJob,
  follow,
  getJob,
  inlineRows,
  LONG,
  MANY_STEPS,
  MOMENTS,
  momentOf,
  storedOf,
  TINY,
} from './struck-job';

/* A cancellation ends the work in the engine, not only the answer. */
let stateDir: string;
let service: Service;
let clients: ReturnType<typeof clientsOf>;

beforeAll(async () => {
  stateDir = temporaryFolder('cancel');
  ({ service, clients } = await startAll({ stateDir, dataRoots: [FIXTURES] }));
});
afterAll(async () => {
  for (const client of Object.values(clients ?? {})) client.close();
  await endServices();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

const noTrainer = () =>
  until(
    () => enginesOf(service.pid, 'trainer'),
    (engines) => engines.length === 0,
    'the end of the trainer’s engine',
  );

/** Settles once an engine is idle or gone: it uses no processor time for a third of a second. */
const rests = (of: 'analyzer' | 'trainer') =>
  until(
    async () => {
      const ticks = () => enginesOf(service.pid, of).reduce((sum, pid) => sum + ticksOf(pid), 0);
      const before = ticks();
      await sleep(300);
      return ticks() - before;
    },
    (spent) => spent <= 1,
    `the end of the work of the ${of}`,
  );

describe('CancelJob', () => {
  test.each(MOMENTS)('at %s', async (moment) => {
    const others = moment === 'QUEUED' ? [await createJob(clients.gateway, { ...TINY, analyzeOnly: true })] : [];
    const jobId = await createJob(clients.gateway, LONG);
    let cancelled = false;
    const events = await follow(clients.gateway, jobId, async (event) => {
      if (cancelled || momentOf(event) !== moment) return;
      cancelled = true;
      await clients.gateway.unary(GatewayService.method.cancelJob, { jobId });
    });
    const states = events.flatMap(({ event }) => (event.kind === 'state' ? [event.state] : []));
    expect(cancelled).toBe(true);
    expect(states.at(-1)).toBe('CANCELLED');
    await rests('trainer');
    await rests('analyzer');
    const job = await getJob(clients.gateway, jobId);
    expect(job).toMatchObject({ state: JobState.CANCELLED, lastSequence: events.length });
    // A second cancellation changes nothing.
    await clients.gateway.unary(GatewayService.method.cancelJob, { jobId });
    expect((await getJob(clients.gateway, jobId)).lastSequence).toBe(events.length);
    for (const other of others) await follow(clients.gateway, other);
  });

  test('in the middle of an epoch: the training stops there', async () => {
    const jobId = await createJob(clients.gateway, MANY_STEPS);
    let reached = 0;
    await follow(clients.gateway, jobId, async ({ event }) => {
      if (event.kind !== 'progress' || event.stage !== 'train' || reached > 0) return;
      reached = event.done;
      await clients.gateway.unary(GatewayService.method.cancelJob, { jobId });
    });
    await noTrainer();
    const { checkpoint } = storedOf(stateDir, jobId);
    expect(checkpoint).toBeGreaterThanOrEqual(reached);
    expect(checkpoint).toBeLessThan(1000);
  });
});

describe('a deadline', () => {
  const analysis = {
    model: TINY.model,
    dataset: inlineRows(50_000),
    options: { samples: 50_000, exact: true, maxLength: 48 },
  };

  async function analyze(settings: { timeoutMs?: number; signal?: AbortSignal }, see = () => {}) {
    for await (const { event } of clients.analyzer.stream(AnalyzerService.method.analyze, analysis, settings)) {
      if (event.case === 'report') return 'report';
      if (event.case === 'progress' && event.value.stage === 'measure') see();
    }
    return 'nothing';
  }

  async function anotherIsServed() {
    const few = { model: TINY.model, dataset: TINY.train, options: { samples: 20 } };
    const answered = clients.analyzer.stream(AnalyzerService.method.analyze, few);
    let last: string | undefined;
    for await (const { event } of answered) last = event.case;
    expect(last).toBe('report');
  }

  test('of Analyze ends the work of the engine', async () => {
    await expect(analyze({ timeoutMs: 2500 })).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await rests('analyzer');
    await anotherIsServed();
  });

  test('or a cancellation of EstimateJob ends its engine, which runs below the service', async () => {
    const before = enginesOf(service.pid, 'analyzer');
    const { model, train: dev, selection, training } = TINY;
    const spec = { model, train: analysis.dataset, dev, analysis: analysis.options, selection, training };
    // A deadline and a cancellation abort the same signal. On an idle machine the engine may finish
    // before any deadline.
    const leaving = new AbortController();
    const { signal } = leaving;
    const refused = expect(
      clients.gateway.unary(GatewayService.method.estimateJob, { spec }, { signal }),
    ).rejects.toThrow(/cancel/i);
    const own = () => enginesOf(service.pid, 'analyzer').filter((pid) => !before.includes(pid));
    const [engine] = await until(own, (engines) => engines.length > 0, 'an engine of the estimate');
    await until(
      () => os.getPriority(engine),
      (nice) => nice > os.getPriority(service.pid),
      'its niceness',
    );
    leaving.abort();
    await refused;
    await until(own, (engines) => engines.length === 0, 'the end of the engine');
    await noTrainer();
  });

  test('of Analyze also ends it if the client stays and does not cancel', async () => {
    const session = http2.connect(`http://127.0.0.1:${service.ports.analyzer}`);
    const body = toBinary(AnalyzeRequestSchema, create(AnalyzeRequestSchema, analysis));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/hifi.v1.AnalyzerService/Analyze',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '2500m',
    });
    const answer = new Promise((resolve) => {
      const found = (headers: http2.IncomingHttpHeaders) =>
        headers['grpc-status'] !== undefined && resolve(headers['grpc-status']);
      stream.on('response', found).on('trailers', found);
    });
    stream.on('data', () => {}).end(Buffer.concat([head, body]));
    expect(await answer).toBe(String(status.DEADLINE_EXCEEDED));
    await rests('analyzer');
    await anotherIsServed();
    session.destroy();
  });

  test('and a client that cancels the stream end it as well', async () => {
    const controller = new AbortController();
    await expect(analyze({ signal: controller.signal }, () => controller.abort())).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await rests('analyzer');
    await anotherIsServed();
  });

  test('of Train ends the training, which saves a checkpoint; the same run resumes from it', async () => {
    const mask = maskMessage(
      await maskOf([
        [1, 3],
        [0, 2],
      ]),
    );
    const { model, train } = MANY_STEPS;
    const request = { runId: 'with-deadline', model, train, mask, options: MANY_STEPS.training };
    const steps: number[] = [];
    const once = async (settings: { timeoutMs?: number }, stop: (step: number) => boolean) => {
      for await (const { event } of clients.trainer.stream(TrainerService.method.train, request, settings)) {
        if (event.case !== 'progress' || event.value.stage !== 'train') continue;
        steps.push(Number(event.value.done));
        if (stop(steps.at(-1)!)) return;
      }
    };
    /** Runs the training once. @returns the call's status */
    const run = async (settings: { timeoutMs?: number }, stop: (step: number) => boolean = () => false) => {
      for (;;) {
        const code: status = await once(settings, stop).then(
          () => status.OK,
          (error) => error.code,
        );
        // An ending call still holds the run for a moment.
        if (code !== status.ABORTED) return code;
      }
    };
    // Repeats with a longer deadline until a step is reached.
    for (let timeoutMs = 3000; steps.length === 0; timeoutMs *= 1.5) {
      expect(await run({ timeoutMs })).toBe(status.DEADLINE_EXCEEDED);
    }
    await noTrainer();
    const { checkpoint, trained } = storedOf(stateDir, 'with-deadline');
    expect(trained).toBe(false);
    expect(checkpoint).toBeGreaterThanOrEqual(steps.at(-1)!);
    expect(await run({}, () => true)).toBe(status.OK);
    expect(steps.at(-1)).toBeGreaterThan(checkpoint!);
    await noTrainer();
  });
});
