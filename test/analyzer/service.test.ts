import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { AnalyzerEngine, calibrateAnalysis } from '../../analyzer/analysis-engine';
import { analyze as analyzeHere } from '../../analyzer/pipeline';
import { analyzerService } from '../../analyzer/service';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import { TUNES } from '../../heads/tune';
import { GrpcClient } from '../../infra/grpc/client';
import { GrpcServer } from '../../infra/grpc/server';
import {
  type AnalysisCost,
  type AnalyzeRequestSchema,
  type AnalyzeResponse,
  AnalyzerService,
  ReportView,
  type ShardStatistics,
} from '../../proto/gen/hifi/v1/analyzer_pb';
import type { HeadReport } from '../../proto/gen/hifi/v1/heads_pb';
import { reportOf } from '../../proto/head-report';
import { RpcError, status } from '../../proto/status';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { serviceParts } from '../support/service-files';
import { drain } from './run';

type Request = MessageInitShape<typeof AnalyzeRequestSchema>;

const { analyze, calibrateAnalysis: calibrate, mergeStatistics, describeModel } = AnalyzerService.method;
const lines = fs.readFileSync(path.join(FIXTURES, 'tiny-data/train.tsv'), 'utf8').trim().split('\n').slice(1);
const texts = lines.map((line) => line.split('\t')[0]);
const inline = (rows: string[]) => ({ source: { case: 'inline', value: { texts: rows } } }) as const;
const file = (name: string) => ({ source: { case: 'path' as const, value: name }, textColumns: ['sentence'] });
const options = { maxLength: 32, device: 'cpu', threads: 2 };

describe('the analyzer service', () => {
  const stateDir = temporaryFolder('analyzer-service');
  const offline = process.env.HF_HUB_OFFLINE;
  let server: GrpcServer;
  let client: GrpcClient;
  const engine = new AnalyzerEngine();

  beforeAll(async () => {
    process.env.HF_HUB_OFFLINE = '1';
    server = new GrpcServer({ host: '127.0.0.1', port: 0 });
    server.add(AnalyzerService, analyzerService({ engine, calibrate: calibrateAnalysis, ...serviceParts(stateDir) }));
    client = new GrpcClient(`127.0.0.1:${await server.start()}`);
  });
  afterAll(async () => {
    client.close();
    await server.drain(0);
    await engine.close();
    fs.rmSync(stateDir, { recursive: true });
    if (offline === undefined) delete process.env.HF_HUB_OFFLINE;
    else process.env.HF_HUB_OFFLINE = offline;
  });

  const call = (request: Request, signal?: AbortSignal, timeoutMs?: number) =>
    client.stream(analyze, { model: 'tiny-bert', options, ...request } as Request, { signal, timeoutMs });
  const all = async (request: Request): Promise<AnalyzeResponse[]> => {
    const responses: AnalyzeResponse[] = [];
    for await (const response of call(request)) responses.push(response);
    return responses;
  };
  const last = async (request: Request) => (await all(request)).at(-1)!.event;
  const reportFor = async (request: Request) => (await last(request)).value as HeadReport;
  const errorOf = (request: Request) =>
    all(request).then(
      () => {
        throw new Error('no error');
      },
      (error: RpcError) => error,
    );
  /** The service removes scratch files of an abandoned call once it notices. */
  const untilScratchIsEmpty = async () => {
    while (fs.readdirSync(path.join(stateDir, 'scratch')).length > 0) await sleep(5);
  };

  it('sends progress, then the five best heads and the scalars', async () => {
    const responses = await all({ dataset: inline(texts) });
    const kinds = responses.map(({ event }) => event.case);
    expect(new Set(kinds.slice(0, -1))).toEqual(new Set(['progress']));
    const report = responses.at(-1)!.event.value as HeadReport;
    expect(report).toMatchObject({ samples: texts.length, layers: 2, deviceUsed: 'cpu', richness: [], pearson: [] });
    expect(report.topHeads).toHaveLength(5);
    expect(report.warnings).toEqual([expect.stringContaining('fewer than the 300 to sample')]);
    await untilScratchIsEmpty();
  });

  it('sends the same full report as the pipeline', async () => {
    const request = { dataset: file('tiny-data/train.tsv'), view: ReportView.FULL };
    const { report } = reportOf(await reportFor(request));
    const data = { path: path.join(FIXTURES, 'tiny-data/train.tsv'), textColumns: ['sentence'] };
    const here = analyzeHere({
      model: path.join(FIXTURES, 'tiny-bert'),
      data,
      options: { ...ANALYSIS_DEFAULTS, maxLength: 32, device: 'cpu', threads: 2 },
    });
    const { result } = await drain(here);
    const expected = { ...result, elapsedSeconds: 0, data: { ...result.data, path: 'tiny-data/train.tsv' } };
    expect({ ...report, elapsedSeconds: 0 }).toEqual(expected);
  });

  it('measures the cost of an analysis on a part of its sample', async () => {
    const rows = Array.from({ length: 400 }, (_, i) => texts[i % texts.length]);
    const asked = { model: 'tiny-bert', dataset: inline(rows), options: { ...options, samples: 300 } };
    const events = [];
    for await (const { event } of client.stream(calibrate, asked)) events.push(event);
    expect(events.at(-1)).toMatchObject({ case: 'result', value: { sequences: 300, measuredSequences: 64 } });
    const { seconds, peakMemoryBytes } = events.at(-1)!.value as AnalysisCost;
    // The process of the service has started the engine: both count.
    expect(Number(peakMemoryBytes)).toBeGreaterThan(process.memoryUsage.rss());
    expect(seconds).toBeGreaterThan(0);
    const measured = events.flatMap((event) => (event.case === 'progress' ? [event.value] : []));
    expect(measured.filter(({ stage }) => stage === 'measure').at(-1)).toMatchObject({ total: 64 });
    await untilScratchIsEmpty();

    const unknown = client.stream(calibrate, { ...asked, model: 'nothing' });
    await expect(unknown.next()).rejects.toMatchObject({ details: { violations: [{ field: 'model' }] } });
  });

  it('merges shards to the bits of the whole', async () => {
    const rows = Array.from({ length: 150 }, (_, i) => `${texts[i % texts.length]} ${texts[(7 * i) % texts.length]}`);
    const request = { dataset: inline(rows), view: ReportView.FULL };
    const whole = await reportFor(request);
    const statistics: ShardStatistics[] = [];
    for (const index of [1, 0]) {
      const part = await last({ ...request, shard: { index, count: 2 } });
      expect(part.case).toBe('statistics');
      statistics.push(part.value as ShardStatistics);
    }
    const { report } = await client.unary(mergeStatistics, { statistics, view: ReportView.FULL });
    const same = (response: HeadReport) => ({ ...reportOf(response).report, elapsedSeconds: 0 });
    expect(same(report!)).toEqual(same(whole));
    expect(report!.warnings).toEqual(whole.warnings);

    const merging = client.unary(mergeStatistics, { statistics: [statistics[0]] });
    await expect(merging).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: 'shard 0 of 2 is missing',
      details: { violations: [{ field: 'statistics' }] },
    });
    statistics[0].pearson[3] += 1e-30;
    await expect(client.unary(mergeStatistics, { statistics })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: { violations: [{ field: 'statistics[0].pearson' }] },
    });
  });

  it('describes a model by its folder or its path in a data root', async () => {
    const described = await client.unary(describeModel, { model: path.join(FIXTURES, 'tiny-bert') });
    expect(described).toMatchObject({ name: 'tiny-bert', architecture: 'bert', layers: 2 });
    expect(described.tunable).toEqual([...TUNES]);
    expect(described.neurons).toMatchObject({ perLayer: 70, parameters: 2 * 45 + 1 });
    expect(described.parametersPerHeadQkvo - described.parametersPerHeadQkv).toBe(
      described.headDim * described.hiddenSize,
    );
    expect(await client.unary(describeModel, { model: './tiny-bert' })).toEqual(described);
  });

  const many = Array.from({ length: 40_000 }, (_, i) => `${texts[i % texts.length]} ${i}`);
  const long = { dataset: inline(many), options: { ...options, samples: many.length } };
  const measuring = async (calls: AsyncGenerator<AnalyzeResponse>) => {
    for await (const { event } of { [Symbol.asyncIterator]: () => ({ next: () => calls.next() }) }) {
      if (event.case === 'progress' && event.value.stage === 'measure' && event.value.done! > 0) return;
    }
    throw new Error('it had ended before');
  };

  it('ends within a batch when the client leaves, and then runs the next call', async () => {
    const leaving = new AbortController();
    const calls = call(long, leaving.signal);
    await measuring(calls);
    leaving.abort();
    await expect(calls.next()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await reportFor({ dataset: inline(texts) })).samples).toBe(texts.length);
    await untilScratchIsEmpty();
  });

  it('ends at the deadline', async () => {
    const calls = call(long, undefined, 1500);
    await expect(
      (async () => {
        for await (const _ of calls);
      })(),
    ).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect((await reportFor({ dataset: inline(texts) })).samples).toBe(texts.length);
  });

  it('queues a few calls and refuses more, with the time to wait', async () => {
    const first = call(long);
    await measuring(first);
    const others = Array.from({ length: 8 }, () => new AbortController());
    const waiting = others.map(({ signal }) => call({ dataset: inline(texts) }, signal).next());
    const settled = Promise.allSettled(waiting);
    const error = await errorOf({ dataset: inline(texts) });
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'BUSY' });
    expect(error.details.retrySeconds).toBeGreaterThanOrEqual(1);
    // Calls without the engine are answered meanwhile.
    expect((await client.unary(describeModel, { model: 'tiny-bert' })).layers).toBe(2);
    // A calibration has turns of its own.
    const kinds: unknown[] = [];
    const asked = { model: 'tiny-bert', dataset: inline(texts), options };
    for await (const { event } of client.stream(calibrate, asked)) kinds.push(event.case);
    expect(kinds.at(-1)).toBe('result');
    for (const each of others) each.abort();
    expect((await settled).map(({ status }) => status)).toEqual(others.map(() => 'rejected'));
    await first.return();
    await untilScratchIsEmpty();
    expect((await reportFor({ dataset: inline(texts) })).samples).toBe(texts.length);
  });

  const { INVALID_ARGUMENT, NOT_FOUND } = status;
  it.each<[string, Request, status, string, string]>([
    ['no rows', {}, INVALID_ARGUMENT, 'dataset', 'dataset is missing'],
    ['no source', { dataset: {} }, INVALID_ARGUMENT, 'dataset', 'one of path, artifact and inline'],
    ['no texts', { dataset: inline([]) }, INVALID_ARGUMENT, 'dataset.inline.texts', 'is empty'],
    [
      'too few labels',
      { dataset: { source: { case: 'inline', value: { texts: ['a', 'b'], labels: ['1'] } } } },
      INVALID_ARGUMENT,
      'dataset.inline.labels',
      'dataset.inline.labels has 1 entries, dataset.inline.texts has 2',
    ],
    ['an empty row', { dataset: inline([' ']) }, INVALID_ARGUMENT, 'dataset', 'inline'],
    ['a path outside', { dataset: file('/etc/hostname') }, INVALID_ARGUMENT, 'dataset.path', 'data roots'],
    ['a path up', { dataset: file('../../package.json') }, INVALID_ARGUMENT, 'dataset.path', 'data roots'],
    [
      'a missing path',
      { dataset: file('tiny-data/trian.tsv') },
      INVALID_ARGUMENT,
      'dataset.path',
      'did you mean "train.tsv"?',
    ],
    [
      'no columns',
      { dataset: { source: { case: 'path', value: 'tiny-data/train.tsv' } } },
      INVALID_ARGUMENT,
      'dataset.text_columns',
      'it must name one or two columns',
    ],
    [
      'a missing column',
      { dataset: { ...file('tiny-data/train.tsv'), textColumns: ['sentense'] } },
      INVALID_ARGUMENT,
      'dataset.text_columns',
      'did you mean "sentence"?',
    ],
    [
      'an unknown artifact',
      { dataset: { source: { case: 'artifact', value: 'ab'.repeat(32) }, textColumns: ['a'] } },
      NOT_FOUND,
      '',
      'no artifact abab',
    ],
    [
      'an artifact that is a path',
      { dataset: { source: { case: 'artifact', value: 'ab'.repeat(32) }, name: '../a.tsv', task: 'sst2' } },
      INVALID_ARGUMENT,
      'dataset.name',
      'without folders',
    ],
    ['no model', { dataset: inline(texts), model: '' }, INVALID_ARGUMENT, 'model', 'model is empty'],
    [
      'an unknown model',
      { dataset: inline(texts), model: 'all-MiniLM-L6-v3' },
      INVALID_ARGUMENT,
      'model',
      'did you mean "all-MiniLM-L6-v2"?',
    ],
    [
      'a misspelt folder',
      { dataset: inline(texts), model: 'tiny-brt' },
      INVALID_ARGUMENT,
      'model',
      'did you mean "tiny-bert"?',
    ],
    ['a model outside', { dataset: inline(texts), model: '/etc' }, INVALID_ARGUMENT, 'model', 'data roots'],
    ['a model in the working folder', { dataset: inline(texts), model: 'test' }, INVALID_ARGUMENT, 'model', 'test'],
    ['a folder that is no model', { dataset: inline(texts), model: 'tiny-data' }, INVALID_ARGUMENT, 'model', 'config'],
    [
      'an option',
      { dataset: inline(texts), options: { maxLength: 0 } },
      INVALID_ARGUMENT,
      'options.max_length',
      'options.max_length is 0; it must be a whole number from 1',
    ],
    [
      'two sizes of a sample',
      { dataset: inline(texts), options: { autoSamples: true, samples: 4 } },
      INVALID_ARGUMENT,
      'options.auto_samples',
      'give one of them',
    ],
    [
      'a shard',
      { dataset: inline(texts), shard: { index: 2, count: 2 } },
      INVALID_ARGUMENT,
      'shard.index',
      'shard.index is 2; it must be 0 to 1: there are 2 shards',
    ],
    ['a view', { dataset: inline(texts), view: 9 as ReportView }, INVALID_ARGUMENT, 'view', 'REPORT_VIEW_FULL'],
  ])('refuses %s', async (_, request, code, field, text) => {
    const error = await errorOf(request);
    expect(error).toBeInstanceOf(RpcError);
    expect({ code: error.code, text: error.message }).toEqual({ code, text: expect.stringContaining(text) });
    expect(error.details.violations?.[0].field ?? '').toBe(field);
    expect(error.message).not.toContain(stateDir);
    expect(error.message).not.toContain(FIXTURES);
    await untilScratchIsEmpty();
  });
});
