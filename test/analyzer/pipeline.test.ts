import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { analyze as analyzeInChild } from '../../analyzer/analysis-engine';
import { analyze } from '../../analyzer/pipeline';
import { readDataset } from '../../data/read';
import { HifiError } from '../../foundation/errors';
import { clock } from '../../foundation/progress';
import type { AnalyzeRequest } from '../../heads/analysis-request';
import { rankHeads } from '../../heads/ranking';
import { openCheckpoint } from '../../model/checkpoint';
import { loadTokenizer } from '../../model/tokenizer';
import { expectNear, expectSameCounts, goldenOf } from './golden';
import { drain, fixture, GOLDEN_OPTIONS, PAIRS, run, TRAIN, warningsOf } from './run';

const requestFor = (model: string, data = TRAIN, options = {}): AnalyzeRequest => ({
  model: fixture(model),
  data,
  options: { ...GOLDEN_OPTIONS, samples: data === PAIRS ? 48 : 60, ...options },
});

describe.each([
  ['tiny-bert', 'train', TRAIN],
  ['tiny-bert', 'pairs', PAIRS],
  ['one-head-bert', 'train', TRAIN],
])('the analysis of %s on %s', (model, name, data) => {
  const { headNorms, analyses } = goldenOf(`${model}.analysis.golden.json`);
  const golden = analyses[name];

  it.each([false, true])('agrees with the float64 oracle (exact: %s)', async (exact) => {
    const { result: report } = await run(requestFor(model, data, { exact }));
    expect(report.samples).toBe(golden.samples);
    expectSameCounts(report, golden);
    expectNear(report.richnessStderr, golden.richnessStderr, 1e-9);
    expectNear(report.correlation.pearson, golden.correlation.pearson, 1e-5);
    expectNear(report.correlation.covariance, golden.correlation.covariance, 1e-5);
    expectNear(report.activation, golden.activation, 1e-5);
    expectNear(report.spectrum, golden.spectrum, 1e-5);
    expectNear(report.headNorms, headNorms, 1e-5);
  });

  it("has the oracle's ranking, with each option", async () => {
    const { result: measured } = await run(requestFor(model, data));
    expect(golden.rankings).toHaveLength(16);
    for (const { pagerank, rankCorrelations, ...options } of golden.rankings) {
      const ranking = rankHeads(measured, options);
      expectNear(ranking.pagerank, pagerank, 1e-5);
      if (measured.model.heads === 1) expect(ranking.rankCorrelations).toEqual([{ richness: 0, correlationSum: 0 }]);
      else expectNear(ranking.rankCorrelations.map(Object.values), rankCorrelations.map(Object.values), 1e-9);
    }
    const literal = { correlation: 'covariance', teleport: 'uniform', damping: 0.85, scope: 'layer' } as const;
    const { result } = await run(requestFor(model, data, literal));
    const { pagerank, iterations, rankCorrelations } = rankHeads(measured, literal);
    expect(result).toMatchObject({ pagerank, iterations, rankCorrelations, options: literal });
  });
});

describe('analyze', () => {
  it('reports exactly the fields of heads.json', async () => {
    const { result: report, events } = await run(requestFor('tiny-bert', TRAIN, { xi: 0.85, seed: 3 }));
    expect(Object.keys(report)).toEqual([
      'schemaVersion',
      'model',
      'data',
      'options',
      'samples',
      'richness',
      'richnessStderr',
      'richnessByXi',
      'correlation',
      'pagerank',
      'activation',
      'headNorms',
      'stability',
      'rankCorrelations',
      'spectrum',
      'iterations',
      'deviceUsed',
      'elapsedSeconds',
    ]);
    expect(report.model).toMatchObject({ name: 'tiny-bert', layers: 2, heads: 5, headDim: 9, hiddenSize: 45 });
    expect(report.data.rows).toBe(60);
    expect([...report.data.sampleIds].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(report.data.sampleIds).not.toEqual([...report.data.sampleIds].sort((a, b) => a - b));
    expect(report.options).toEqual({
      samples: 60,
      k: 3,
      xi: 0.85,
      maxLength: 32,
      seed: 3,
      exact: false,
      correlation: 'pearson',
      teleport: 'richness',
      damping: 0.5,
      scope: 'layer',
    });
    expect(Object.keys(report.richnessByXi)).toEqual(['0.5', '0.6', '0.7', '0.8', '0.85', '0.9', '0.95', '0.99']);
    expect(report.richness).toEqual(report.richnessByXi['0.85']);
    expect(report.correlation.pearson.every((row, i) => row[i] === 1)).toBe(true);
    expect(report).toMatchObject({ schemaVersion: 1, deviceUsed: 'cpu' });
    for (const shares of report.stability!) expect(shares.reduce((a, b) => a + b)).toBeCloseTo(3, 12);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);

    expect(warningsOf(events)).toEqual([]);
    const stages = events.flatMap((event) => (event.kind === 'progress' ? [event.stage] : []));
    expect([...new Set(stages)]).toEqual(['load', 'encode', 'measure', 'rank']);
    expect(events[events.length - 1]).toMatchObject({ stage: 'rank', done: 1, total: 1 });
    const measured = events.flatMap((event) => (event.kind === 'progress' && event.stage === 'measure' ? [event] : []));
    expect(measured[measured.length - 1]).toMatchObject({ done: 60, total: 60, unit: 'sequences' });
  });

  it('reports when each batch was run and measured, by one clock', async () => {
    const began = clock();
    const { events } = await run(requestFor('tiny-bert', TRAIN));
    const intervals = events.flatMap((event) => (event.kind === 'interval' ? [event] : []));
    for (const { from, to } of intervals) {
      expect(from).toBeGreaterThanOrEqual(began);
      expect(to).toBeGreaterThanOrEqual(from);
    }
    expect(intervals.every(({ to }) => to <= clock())).toBe(true);
    const named = (name: string) => intervals.filter((interval) => interval.name === name);
    const sumOf = (name: string, attribute: string) =>
      named(name).reduce((sum, { attributes }) => sum + (attributes![attribute] as number), 0);
    expect(['load', 'encode', 'rank'].map((name) => named(name).length)).toEqual([1, 1, 1]);
    expect(named('encode')[0].attributes).toEqual({ sequences: 60 });
    expect(named('eigenvalues').length).toBe(named('onnxruntime').length);
    expect(['onnxruntime', 'eigenvalues'].map((name) => sumOf(name, 'sequences'))).toEqual([60, 60]);
    const tokenizer = loadTokenizer(fixture('tiny-bert'));
    const { texts } = await readDataset(TRAIN, 'texts');
    const tokens = texts.reduce((sum, text) => sum + tokenizer.encode(text, undefined, 32).ids.length, 0);
    expect(sumOf('onnxruntime', 'tokens')).toBe(tokens);
    expect(named('eigenvalues').map(({ attributes }) => attributes!.worker)).toContain(0);
  });

  it('has the same bits in a child process and with any number of threads', async () => {
    const request = requestFor('tiny-bert');
    const { result: here } = await run(request);
    const { result: inChild } = await drain(analyzeInChild(request));
    const { result: alone } = await run(requestFor('tiny-bert', TRAIN, { threads: 1 }));
    for (const other of [inChild, alone])
      expect({ ...other, elapsedSeconds: 0 }).toEqual({ ...here, elapsedSeconds: 0 });
  });

  it('draws the sample by seed, and uses all rows if there are fewer, with a warning', async () => {
    const few = (seed: number) => run(requestFor('tiny-bert', TRAIN, { samples: 5, seed }));
    const [{ result: first }, { result: again }, { result: other }] = [await few(1), await few(1), await few(2)];
    expect(first.data.sampleIds).toHaveLength(5);
    expect({ ...again, elapsedSeconds: 0 }).toEqual({ ...first, elapsedSeconds: 0 });
    expect(other.data.sampleIds).not.toEqual(first.data.sampleIds);
    const { result, events } = await run(requestFor('tiny-bert', TRAIN, { samples: 300 }));
    expect(result.samples).toBe(60);
    expect(warningsOf(events)).toEqual([expect.stringContaining('has 60 rows, fewer than the 300 to sample')]);
  });

  it('has no standard error for a single sequence', async () => {
    const { result } = await run(requestFor('tiny-bert', TRAIN, { samples: 1 }));
    expect(result.samples).toBe(1);
    expect(result.richnessStderr).toEqual(Array(2).fill(Array(5).fill(null)));
    expect(result.stability).toBeNull();
  });

  it("truncates texts to the model's limit, with a warning", async () => {
    const { events } = await run(requestFor('one-head-bert', PAIRS, { maxLength: 500 }));
    expect(warningsOf(events)).toEqual([expect.stringContaining('the model takes at most 40 tokens')]);
  });

  it('ends at the signal', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(run(requestFor('tiny-bert'), controller.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
    const later = new AbortController();
    const stopped = (async () => {
      for await (const event of analyze(requestFor('tiny-bert'), later.signal)) {
        if (event.kind === 'progress' && event.stage === 'measure') later.abort();
      }
    })();
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('names layer and head of an output that is not a number', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-nan-'));
    fs.cpSync(fixture('tiny-bert'), folder, { recursive: true });
    const checkpoint = await openCheckpoint(folder);
    const name = checkpoint.storedName('encoder.layer.1.attention.self.value.weight')!;
    const { begin } = checkpoint.weights.tensors.get(name)!;
    checkpoint.close();
    const file = path.join(folder, 'model.safetensors');
    const bytes = fs.readFileSync(file);
    // The rows of head 3 of layer 1: finite weights whose products overflow.
    for (let i = 3 * 9 * 45; i < 4 * 9 * 45; i++) bytes.writeFloatLE(3e38, begin + 4 * i);
    fs.writeFileSync(file, bytes);
    const failure = await run({ ...requestFor('tiny-bert'), model: folder }).catch((error) => error);
    fs.rmSync(folder, { recursive: true });
    expect(failure).toBeInstanceOf(HifiError);
    expect(failure).toMatchObject({ code: 'FAILED' });
    expect(failure.message).toContain('layer 1, head 3: its output is not a finite number');
  });

  it('refuses heads of size 1', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-one-'));
    fs.cpSync(fixture('tiny-bert'), folder, { recursive: true });
    const file = path.join(folder, 'config.json');
    const config = JSON.parse(fs.readFileSync(file, 'utf8'));
    fs.writeFileSync(file, JSON.stringify({ ...config, num_attention_heads: 45 }));
    const analysis = run({ ...requestFor('tiny-bert'), model: folder });
    await expect(analysis).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('its heads have size 1 (45 heads of 45)'),
    });
    fs.rmSync(folder, { recursive: true });
  });

  it('refuses invalid options, models and data in one line each', async () => {
    const refusals: [AnalyzeRequest, string][] = [
      [requestFor('tiny-bert', TRAIN, { samples: 0 }), 'samples is 0'],
      [requestFor('tiny-bert', TRAIN, { xi: 1.5 }), 'xi is 1.5'],
      [requestFor('no-bert'), 'no-bert'],
      [requestFor('tiny-bert', { ...TRAIN, textColumns: ['sentense'] }), 'sentense'],
    ];
    for (const [request, message] of refusals) {
      const failure = await run(request).catch((error) => error);
      expect(failure).toMatchObject({ code: 'INVALID_INPUT' });
      expect(failure.message).toContain(message);
      expect(failure.message).not.toContain('\n');
    }
  });
});
