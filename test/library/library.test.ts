import * as fs from 'node:fs';
import * as path from 'node:path';
import * as library from '../../index';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { FakeHub, filesOf } from '../support/hub';
import { PROBLEM_METRICS, PROBLEM_ROWS, ROW_PROBLEMS, textRows } from '../support/problem-rows';
import { deltaHash, devSentences, maskOf, model, sentences } from '../trainer/runs';

const { Analyzer, ablate, analyze, evaluate, exportModel, predict, rank, runJob, score, select, train } = library;
const root = temporaryFolder('library');
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
const folder = () => path.join(fs.mkdtempSync(path.join(root, 'run-')), 'out');
const options = { epochs: 2, batchSize: 8, lr: 2e-3 };
const HEADS = [[1], [0, 2]];

/** Texts and labels of a file, as rows in memory. */
function inMemory({ path: file }: { path: string }): library.TextRows & { texts: string[] } {
  const [, ...lines] = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
  return { texts: lines.map((line) => line.split('\t')[0]), labels: lines.map((line) => line.split('\t')[1]) };
}

test('rows in memory and rows of a file give the same result', async () => {
  const { texts } = inMemory(sentences);
  const [ofFile, ofTexts] = [await analyze({ model, data: sentences }), await analyze({ model, data: { texts } })];
  for (const part of ['pagerank', 'richness', 'correlation', 'spectrum', 'samples'] as const) {
    expect(ofTexts[part]).toEqual(ofFile[part]);
  }
  expect(ofTexts.data.path).toBe('data');
});

test('an analyzer reuses its process until it is closed', async () => {
  const analyzer = new Analyzer();
  const { texts } = inMemory(devSentences);
  const first = analyzer.analyze({ model, data: { texts } });
  const stages = new Set<string>();
  for await (const event of first) if (event.kind === 'progress') stages.add(event.stage);
  expect([...stages]).toEqual(['load', 'encode', 'measure', 'rank']);
  const second = await analyzer.analyze({ model, data: { texts } });
  expect(second.pagerank).toEqual((await first).pagerank);
  await analyzer.close();
  await expect(analyzer.analyze({ model, data: { texts } })).rejects.toMatchObject({ code: 'ENGINE_LOST' });
});

test('rank gives the ranking of an analysis with those options', async () => {
  const literal = { correlation: 'covariance', teleport: 'uniform', damping: 0.85 } as const;
  const analysis = await analyze({ model, data: sentences, options: literal });
  const report = await analyze({ model, data: sentences });
  expect(rank(report, literal).pagerank).toEqual(analysis.pagerank);
  expect(rank(report).pagerank).toEqual(report.pagerank);
  expect(() => rank(report, { damping: 2 })).toThrow(library.HifiError);
});

test('select accepts an analysis or scores; the wrong kind is INVALID_INPUT', async () => {
  const report = await analyze({ model, data: sentences });
  const scores = await score({ model, train: inMemory(sentences), strategy: 'gradient', options: { samples: 16 } });
  const mask = select(scores, { strategy: 'gradient', k: 2 });
  for (const { layer, head, score: value } of mask.heads) expect(value).toBe(scores.scores[layer][head]);
  const coded = { name: 'HifiError', code: 'INVALID_INPUT' };
  const caught = (work: () => unknown) => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };
  expect(caught(() => select(report, { k: 99 }))).toMatchObject(coded);
  expect(caught(() => select(report, { strategy: 'gradient' }))).toMatchObject(coded);
  expect(caught(() => select(scores, { strategy: 'hifi' }))).toMatchObject(coded);
});

test('a cancelled and resumed training gives the same delta, bit for bit', async () => {
  const request = {
    model,
    train: inMemory(sentences),
    dev: inMemory(devSentences),
    mask: await maskOf(HEADS),
    options,
  };
  const [whole, resumedOut] = [folder(), folder()];
  const metrics = await train({ ...request, out: whole });
  expect(library.readMetrics(path.join(whole, 'metrics.json'))).toEqual(metrics);
  expect(fs.readdirSync(whole).sort()).toEqual(['delta', 'metrics.json']);

  const cancelling = new AbortController();
  const run = train({ ...request, out: resumedOut }, { signal: cancelling.signal });
  const loop = async () => {
    for await (const event of run) if (event.kind === 'checkpoint') cancelling.abort();
  };
  await expect(loop()).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(fs.readdirSync(resumedOut)).toEqual(['state']);
  await expect(train({ ...request, out: resumedOut })).rejects.toMatchObject({ code: 'INVALID_INPUT' });

  const resumed = await train({ ...request, out: resumedOut, resume: true });
  expect(resumed.resumedFromStep).toBeGreaterThan(0);
  expect(deltaHash(resumedOut)).toBe(deltaHash(whole));
  // Rows of a file give the same delta.
  await train({ ...request, train: sentences, dev: devSentences, out: resumedOut, overwrite: true });
  expect(deltaHash(resumedOut)).toBe(deltaHash(whole));
});

test('evaluate and predict use the options of the training; exports predict the same', async () => {
  const out = folder();
  const mask = await maskOf(HEADS);
  const { best, metric } = await train({ model, train: sentences, dev: devSentences, mask, options, out });
  const delta = path.join(out, 'delta');
  const dev = inMemory(devSentences);
  const { metrics, rows } = await evaluate({ model, delta, data: dev });
  expect(rows).toBe(dev.texts.length);
  expect(metrics[metric]).toBeCloseTo(best.value, 6);

  const predicted = await predict({ model, delta, data: { texts: dev.texts } });
  expect(predicted.map(({ row }) => row)).toEqual(dev.texts.map((_, row) => row));
  const right = predicted.filter(({ label }, row) => label === dev.labels![row]).length;
  expect(right / rows).toBeCloseTo(metrics.accuracy, 9);

  const gated = await ablate({ model, delta, data: dev, heads: await analyze({ model, data: sentences }), seed: 2 });
  expect(gated).toMatchObject({ metric, rows, bootstrap: { seed: 2 }, last: { heads: { length: 3 } } });
  expect(gated.allOn.value).toBe(metrics[metric]);

  const checkpoint = path.join(out, 'checkpoint');
  expect(await exportModel({ model, delta, format: 'checkpoint', out: checkpoint })).toEqual({ notes: [] });
  const merged = await predict({ model: checkpoint, data: devSentences });
  expect(merged.map(({ label }) => label)).toEqual(predicted.map(({ label }) => label));
  const again = exportModel({ model, delta, format: 'checkpoint', out: checkpoint });
  await expect(again).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  await exportModel({ model, delta, format: 'checkpoint', out: checkpoint, overwrite: true });
  const base = path.join(out, 'base');
  library.undoCheckpoint(checkpoint, base);
  const bytes = (at: string) => fs.readFileSync(path.join(at, 'model.safetensors'));
  expect(bytes(base).equals(bytes(model))).toBe(true);

  const other = path.join(FIXTURES, 'tiny-electra');
  await expect(predict({ model: other, delta, data: dev })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

test('rows in memory with several labels, with tags of words, and pairs with their relevance', async () => {
  const mask = await maskOf(HEADS);
  const trained = ROW_PROBLEMS.map(async (problem) => {
    const [rows, dev] = [40, 16].map((count) => textRows(problem, PROBLEM_ROWS[problem](count)));
    const out = folder();
    const { metric, best } = await train({ model, train: rows, dev, mask, options: { ...options, epochs: 1 }, out });
    expect(metric).toBe(PROBLEM_METRICS[problem][0]);
    const tuned = { model, delta: path.join(out, 'delta') };
    const [{ metrics }, predicted] = await Promise.all([
      evaluate({ ...tuned, data: dev }),
      predict({ ...tuned, data: { texts: dev.texts } }),
    ]);
    expect(metrics[metric]).toBeCloseTo(best.value, 6);
    const answer = { 'multi-label': 'labels', tokens: 'entities', relevance: 'score' }[problem];
    expect(predicted.map(({ row }) => row)).toEqual(dev.texts.map((_, row) => row));
    for (const row of predicted) expect(row).toHaveProperty(answer);
  });
  await Promise.all(trained);
});

test('a job selects heads by the ranking of its analysis', async () => {
  const out = folder();
  const analysis = { samples: 20, damping: 0.85 };
  const request = { model, train: sentences, analysis, selection: { k: 2 }, training: { epochs: 1 }, out };
  const { heads, mask } = await runJob(request);
  expect(heads.options).toMatchObject({ samples: 20, damping: 0.85, k: 2 });
  for (const { layer, head, score: value } of mask.heads) expect(value).toBe(heads.pagerank[layer][head]);
  const budget = await runJob({ ...request, selection: { budget: 0.2 }, overwrite: true });
  expect(budget.mask.budget).toBe(0.2);
  expect(budget.heads.options.scope).toBe('model');
  await expect(runJob(request)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

describe('models by name', () => {
  const environment = { ...process.env };
  const hub = new FakeHub();
  beforeAll(async () => {
    await hub.start();
    const commit = '1'.repeat(40);
    hub.repositories['acme/tiny-bert'] = { refs: { main: commit }, commits: { [commit]: filesOf(model) } };
    const ours = {
      XDG_CACHE_HOME: path.join(root, 'cache'),
      HF_HOME: path.join(root, 'hf'),
      HF_ENDPOINT: hub.endpoint,
    };
    Object.assign(process.env, ours);
    delete process.env.HF_HUB_OFFLINE;
  });
  afterAll(async () => {
    await hub.stop();
    for (const name of ['XDG_CACHE_HOME', 'HF_HOME', 'HF_ENDPOINT', 'HF_HUB_OFFLINE']) {
      if (environment[name] === undefined) delete process.env[name];
      else process.env[name] = environment[name];
    }
  });

  test('are downloaded on first use, as the stage `download`', async () => {
    const data = { texts: ['the keys are here', 'the key is there'] };
    const stages = async () => {
      const seen = new Set<string>();
      const run = analyze({ model: 'acme/tiny-bert', data, options: { samples: 2 } });
      for await (const event of run) if (event.kind === 'progress') seen.add(event.stage);
      expect((await run).model.name).toBe('acme/tiny-bert');
      return [...seen];
    };
    expect(await stages()).toEqual(['download', 'load', 'encode', 'measure', 'rank']);
    expect(await stages()).toEqual(['load', 'encode', 'measure', 'rank']);
  });

  test.each(['acme/none', './nowhere', ''])('that do not exist are INVALID_INPUT: %s', async (name) => {
    const analysis = analyze({ model: name, data: { texts: ['a'] } });
    await expect(analysis).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'model' });
    const missing = analyze({ data: { texts: ['a'] } } as unknown as library.AnalyzeRequest);
    await expect(missing).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'model' });
  });
});
