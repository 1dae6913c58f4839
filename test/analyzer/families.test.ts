import * as fs from 'node:fs';
import * as path from 'node:path';
import { rankHeads } from '../../heads/ranking';
import { TORCH_MODELS, temporaryFolder, torchModel, widenedModel } from '../support/deltas';
import { expectNear, expectSameCounts, goldenOf } from './golden';
import { fixture, GOLDEN_OPTIONS, PAIRS, run, TRAIN, warningsOf } from './run';

/**
 * All families, number formats and odd sizes of the small checkpoints, with texts up to their
 * limit.
 */
const MODELS: [name: string, architecture: string, layers: number, heads: number, headDim: number, d?: number][] = [
  ['tiny-roberta', 'roberta', 2, 4, 6],
  ['tiny-xlm-roberta', 'xlm-roberta', 2, 3, 8],
  ['tiny-distilbert', 'distilbert', 2, 4, 8],
  ['tiny-electra', 'electra', 3, 5, 4],
  ['one-head-electra', 'electra', 1, 1, 10],
  ['seven-heads-bert', 'bert', 1, 7, 9],
  ['sharded-bert', 'bert', 3, 2, 12],
  ['tiny-camembert', 'camembert', 2, 3, 5],
  ['tiny-mpnet', 'mpnet', 2, 3, 7],
  ['one-head-mpnet', 'mpnet', 1, 1, 10],
  ['tiny-deberta', 'deberta-v2', 2, 4, 5],
  ['tiny-deberta-v2', 'deberta-v2', 3, 3, 6],
  ['one-head-deberta', 'deberta-v2', 1, 1, 9],
  ['tiny-modernbert', 'modernbert', 3, 4, 6],
  ['tiny-modernbert-mean', 'modernbert', 3, 3, 6],
  ['tiny-llama', 'llama', 2, 4, 6, 20],
  ['tiny-qwen2', 'qwen2', 2, 4, 6],
  ['tiny-qwen3', 'qwen3', 3, 4, 8, 14],
];

describe.each(MODELS)('the analysis of %s', (name, architecture, layers, heads, headDim, d = heads * headDim) => {
  const golden = goldenOf(`families/${name}.analysis.golden.json`);

  it.each([
    ['train', false],
    ['train', true],
    ['pairs', false],
    ['pairs', true],
  ])('agrees with the float64 oracle on %s (exact: %s)', async (data, exact) => {
    const wanted = golden.analyses[data];
    const lengths = wanted.rows.map(({ ids }) => ids.length);
    expect(Math.max(...lengths)).toBe(golden.maxLength);
    const { result: report, events } = await run({
      model: fixture(name),
      data: data === 'pairs' ? PAIRS : TRAIN,
      options: { ...GOLDEN_OPTIONS, samples: lengths.length, maxLength: 512, exact },
    });
    expect(report.model).toMatchObject({ name, architecture, layers, heads, headDim, hiddenSize: d });
    expect(warningsOf(events)).toEqual([expect.stringContaining(`the model takes at most ${golden.maxLength} tokens`)]);
    expectSameCounts(report, wanted);
    expectNear(report.richness, wanted.richnessByXi['0.9'], 0.02);
    expectNear(report.richnessStderr, wanted.richnessStderr, 0.02);
    expectNear(report.correlation.pearson, wanted.correlation.pearson, 1e-5);
    expectNear(report.correlation.covariance, wanted.correlation.covariance, 1e-5);
    expectNear(report.activation, wanted.activation, 1e-5);
    expectNear(report.spectrum, wanted.spectrum, 1e-5);
    expectNear(report.headNorms, golden.headNorms, 1e-5);
    for (const { pagerank, rankCorrelations, ...options } of wanted.rankings) {
      const ranking = rankHeads(report, options);
      expectNear(ranking.pagerank, pagerank, 1e-5);
      expect(ranking.pagerank.map(topThree)).toEqual(pagerank.map(topThree));
      if (heads > 1) expectNear(ranking.rankCorrelations.map(Object.values), rankCorrelations.map(Object.values), 1e-6);
    }
  });
});

const scratch = temporaryFolder('families');
afterAll(() => fs.rmSync(scratch, { recursive: true }));

it.each(TORCH_MODELS)("%s in PyTorch's files has the analysis of the same numbers in float32", async (name) => {
  const torch = torchModel(name, path.join(scratch, name));
  const widened = widenedModel(torch, path.join(scratch, `${name}-float32`));
  const reports = [torch, widened].map(async (model) => {
    const options = { ...GOLDEN_OPTIONS, samples: 12 };
    const { model: _model, elapsedSeconds: _seconds, ...rest } = (await run({ model, data: TRAIN, options })).result;
    return rest;
  });
  expect(await reports[0]).toEqual(await reports[1]);
});

const topThree = (scores: number[]) =>
  scores
    .map((_, head) => head)
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, 3)
    .sort();
