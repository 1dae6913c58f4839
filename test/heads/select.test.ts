import * as fc from 'fast-check';
import { HifiError, invalidPart } from '../../foundation/errors';
import { type Mask, STRATEGIES, type Strategy } from '../../heads/mask';
import { rankHeads } from '../../heads/ranking';
import { isScoreStrategy, SCORE_STRATEGIES } from '../../heads/scores';
import { parametersPerHead, type SelectionInput, selectHeads, trainedParameters } from '../../heads/select';
import { HEAD_TUNES } from '../../heads/tune';

/** Report of L layers and H heads with the given values per head, all heads correlated by `r`. */
function reportOf(layers: number, heads: number, at: (node: number) => number, r = (_i: number, _j: number) => 0.5) {
  const perHead = (f: (node: number) => number) =>
    Array.from({ length: layers }, (_, l) => Array.from({ length: heads }, (_, h) => f(l * heads + h)));
  const nodes = Array.from({ length: layers * heads }, (_, i) => i);
  const matrix = nodes.map((i) => nodes.map((j) => (i === j ? 1 : r(Math.min(i, j), Math.max(i, j)))));
  const report: SelectionInput = {
    model: { name: 'm', sha256: 'ab', layers, heads, headDim: 4, hiddenSize: 4 * heads, parameters: 100_000 },
    richness: perHead(at),
    correlation: { pearson: matrix, covariance: matrix },
    activation: perHead((node) => at(node) * 3),
    headNorms: perHead((node) => at(node) + 1),
  };
  return report;
}

const chosen = (report: SelectionInput, options: Parameters<typeof selectHeads>[1]) =>
  selectHeads(report, options).heads.map(({ layer, head }) => `${layer}.${head}`);

const anyReport = fc
  .record({ layers: fc.integer({ min: 1, max: 5 }), heads: fc.integer({ min: 1, max: 6 }) })
  .chain(({ layers, heads }) =>
    fc
      .record({
        values: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: layers * heads, maxLength: layers * heads }),
        salt: fc.integer({ min: 1, max: 97 }),
        k: fc.integer({ min: 1, max: heads }),
      })
      .map(({ values, salt, k }) => ({
        k,
        report: reportOf(
          layers,
          heads,
          (node) => values[node],
          (i, j) => (((i + 1) * (j + 3) * salt) % 101) / 101,
        ),
      })),
  );

test('scores of one strategy choose heads only by that strategy', () => {
  const { model, richness } = reportOf(2, 3, (node) => [1, 3, 2, 9, 7, 8][node]);
  const scored = { model, strategy: 'gradient' as const, scores: richness };
  expect(selectHeads(scored, { strategy: 'gradient', k: 2 }).heads).toEqual([
    { layer: 0, head: 1, score: 3 },
    { layer: 0, head: 2, score: 2 },
    { layer: 1, head: 0, score: 9 },
    { layer: 1, head: 2, score: 8 },
  ]);
  expect(() => selectHeads(scored, { strategy: 'bottom', k: 2 })).toThrow(
    'the scores are of strategy gradient, the requested strategy is bottom, which needs an analysis',
  );
  const report = reportOf(2, 3, (node) => node + 1);
  for (const strategy of SCORE_STRATEGIES) {
    expect(() => selectHeads(report, { strategy, k: 2 })).toThrow(
      invalidPart(
        'strategy',
        `strategy ${strategy} needs scores that an analysis does not have; hifi score computes them`,
      ),
    );
  }
  // Gradients have any scale: small scores do not tie.
  const small = { ...scored, strategy: 'fisher' as const, scores: richness.map((row) => row.map((v) => v * 1e-9)) };
  const large = { ...scored, strategy: 'fisher' as const };
  const places = (mask: Mask) => mask.heads.map(({ layer, head }) => [layer, head]);
  expect(places(selectHeads(small, { strategy: 'fisher', k: 2 }))).toEqual(
    places(selectHeads(large, { strategy: 'fisher', k: 2 })),
  );
});

test('scores are for one choice of matrices, but the gates of gradient for any', () => {
  const report = reportOf(2, 3, (node) => node);
  const scored = (strategy: Strategy) => ({
    ...{ model: report.model, strategy, scores: report.richness },
    options: { tune: 'vo' as const },
  });
  expect(selectHeads(scored('fisher'), { strategy: 'fisher', tune: 'vo', k: 1 }).tune).toBe('vo');
  expect(selectHeads(scored('gradient'), { strategy: 'gradient', tune: 'qk', k: 1 }).tune).toBe('qk');
  expect(() => selectHeads(scored('movement'), { strategy: 'movement', k: 1 })).toThrow(
    'the scores are for tune vo, the selection is for tune qkv; score with tune qkv',
  );
});

describe('neurons', () => {
  const report = reportOf(2, 3, (node) => node);
  report.model.neurons = { perLayer: 5, parameters: 10 };
  report.model.headParameters = { q: 4, k: 3, v: 4, o: 5, groupSize: 1 };
  report.model.parameters = 1000;
  const neurons = (mask: Mask) => mask.neurons!.map(({ layer, index }) => [layer, index]);
  const scored = (strategy: Strategy, scores: number[][]) => ({
    ...{ model: report.model, strategy, scores },
    options: { tune: 'neurons' as const },
  });
  const gradient = scored('gradient', [
    [1, 9, 3, 3, 2],
    [8, 0, 4, 7, 6],
  ]);
  const tune = 'neurons' as const;

  it('are the k best of each layer, by default by gradient', () => {
    const mask = selectHeads(gradient, { tune, k: 2 });
    expect(neurons(mask)).toEqual([
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 3],
    ]);
    expect(mask).toMatchObject({ strategy: 'gradient', k: 2, tune, heads: [], trainableParameters: 40, share: 0.04 });
    expect(mask.neurons![0]).toEqual({ layer: 0, index: 1, score: 9 });
  });

  it('are as many as have no more parameters than three heads, unless k is given', () => {
    expect(selectHeads(gradient, { tune }).k).toBe(3); // 33 of 10 each
    expect(selectHeads(report, { tune, strategy: 'all' })).toMatchObject({ k: 5, trainableParameters: 100 });
    expect(selectHeads(report, { tune, strategy: 'none' }).neurons).toEqual([]);
  });

  it('spend a budget on the best of the model', () => {
    const mask = selectHeads(gradient, { tune, budget: 0.035 });
    expect(neurons(mask)).toEqual([
      [0, 1],
      [1, 0],
      [1, 3],
    ]);
    expect(() => selectHeads(gradient, { tune, budget: 0.009 })).toThrow(
      "one neuron is 10 of the model's 1000 parameters",
    );
  });

  it('are drawn at random from heads.json', () => {
    const draw = (seed: number) => neurons(selectHeads(report, { tune, strategy: 'random', k: 2, seed }));
    expect(draw(1)).toEqual(draw(1));
    expect(new Set(Array.from({ length: 20 }, (_, seed) => String(draw(seed)))).size).toBeGreaterThan(5);
    expect(draw(3)).toHaveLength(4);
  });

  it.each([
    [{ strategy: 'hifi' as const }, 'one of gradient, activation, magnitude, random, all, none with tune neurons'],
    [{ strategy: 'magnitude' as const }, 'strategy magnitude for neurons needs scores'],
    [{}, 'strategy gradient for neurons needs scores that an analysis does not have; hifi score computes them'],
    [{ strategy: 'random' as const, k: 6 }, 'k is 6; it must be 1 to 5: a layer of this model has 5 neurons'],
  ])('refuse %j', (options, message) => {
    expect(() => selectHeads(report, { tune, ...options })).toThrow(message);
  });

  it('need scores of neurons, and a file that knows them', () => {
    const heads = { model: report.model, strategy: 'gradient' as const, scores: report.richness };
    expect(() => selectHeads({ ...heads, options: { tune: 'qkv' } }, { tune })).toThrow(
      'the scores are for tune qkv, the selection is for tune neurons; score with tune neurons',
    );
    const { neurons: _, ...model } = report.model;
    expect(() => selectHeads({ ...report, model }, { tune, strategy: 'random' })).toThrow('has no number of neurons');
  });
});

describe('selectHeads', () => {
  it('chooses k heads of each layer with every strategy', () => {
    fc.assert(
      fc.property(anyReport, fc.constantFrom(...HEAD_TUNES), ({ report, k }, tune) => {
        const { layers, heads, parameters } = report.model;
        const upper = layers - Math.floor(layers / 2);
        for (const strategy of STRATEGIES) {
          const scored = { model: report.model, strategy, scores: report.richness };
          const mask = selectHeads(isScoreStrategy(strategy) ? scored : report, { strategy, k, tune });
          expect(selectHeads(scored, { strategy, k, tune }).heads).toHaveLength(mask.heads.length);
          const count = { all: layers * heads, none: 0, 'hifi-mid-top': upper * k }[strategy as string] ?? layers * k;
          expect(mask.heads).toHaveLength(count);
          const places = mask.heads.map(({ layer, head }) => layer * heads + head);
          expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
          expect(mask.trainableParameters).toBe(count * parametersPerHead(report.model, tune));
          expect(mask.share).toBe(mask.trainableParameters / parameters);
          expect(mask.totalParameters).toBe(parameters);
        }
      }),
    );
  });

  it('chooses the highest scores; ties go to the lower index', () => {
    const report = reportOf(2, 4, (node) => [1, 7, 7, 7, 2, 5, 9, 5][node]);
    expect(chosen(report, { strategy: 'richness-only', k: 2 })).toEqual(['0.1', '0.2', '1.1', '1.2']);
    expect(chosen(report, { strategy: 'activation', k: 1 })).toEqual(['0.1', '1.2']);
    expect(chosen(report, { strategy: 'magnitude', k: 3 })).toEqual(['0.1', '0.2', '0.3', '1.1', '1.2', '1.3']);
  });

  it('chooses with bottom the heads that hifi would choose last', () => {
    const report = reportOf(1, 5, (node) => [9, 2, 7, 2, 5][node]);
    expect(chosen(report, { strategy: 'hifi', k: 2 })).toEqual(['0.0', '0.2']);
    expect(chosen(report, { strategy: 'bottom', k: 2 })).toEqual(['0.1', '0.3']);
    expect(chosen(report, { strategy: 'bottom', k: 1 })).toEqual(['0.1']);
  });

  it('chooses with mid-top the heads of hifi in the upper half of the layers, including the middle one', () => {
    fc.assert(
      fc.property(anyReport, ({ report, k }) => {
        const from = Math.floor(report.model.layers / 2);
        const all = selectHeads(report, { k }).heads;
        expect(selectHeads(report, { strategy: 'hifi-mid-top', k }).heads).toEqual(
          all.filter(({ layer }) => layer >= from),
        );
      }),
    );
  });

  it('uses Σr over the graph of its scope', () => {
    // Head 0 of layer 0 is tied to the other layer, head 1 to its own.
    const report = reportOf(
      2,
      3,
      () => 5,
      (i, j) => (i === 0 && j >= 3 ? 0.9 : i === 1 && j === 2 ? 0.6 : 0.1),
    );
    expect(chosen(report, { strategy: 'correlation-only', k: 1, scope: 'layer' })[0]).toBe('0.1');
    expect(chosen(report, { strategy: 'correlation-only', k: 1, scope: 'model' })[0]).toBe('0.0');
  });

  it('chooses the same heads if they are renumbered', () => {
    // Only ties may depend on the numbering; here all scores differ.
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 });
    fc.assert(
      fc.property(order, fc.integer({ min: 1, max: 5 }), (renamed, k) => {
        const at = (node: number) => 3 + ((node * 7) % 11);
        const r = (i: number, j: number) => ((i * 13 + j * 5 + 3) % 17) / 17;
        const plain = reportOf(1, 6, at, r);
        const moved = reportOf(
          1,
          6,
          (node) => at(renamed[node]),
          (i, j) => r(Math.min(renamed[i], renamed[j]), Math.max(renamed[i], renamed[j])),
        );
        for (const strategy of ['hifi', 'bottom', 'richness-only', 'correlation-only'] as const) {
          const before = selectHeads(plain, { strategy, k }).heads.map(({ head }) => head);
          const after = selectHeads(moved, { strategy, k }).heads.map(({ head }) => renamed[head]);
          expect(after.sort()).toEqual(before);
        }
      }),
    );
  });

  it.each([
    ['random', 2],
    ['magnitude', 2],
    ['activation', 2],
    ['richness-only', 2],
    ['all', 6],
    ['none', 0],
  ] as const)('%s does not rank: a report without a ranking will do', (strategy, count) => {
    const report = reportOf(2, 3, () => 1);
    report.correlation = { pearson: [], covariance: [] };
    expect(selectHeads(report, { strategy, k: 1 }).heads).toHaveLength(count);
    expect(() => selectHeads(report, { strategy: 'hifi', k: 1 })).toThrow(HifiError);
  });

  it('draws by seed: the same heads again, others with another seed, each head about as often', () => {
    const report = reportOf(4, 6, () => 1);
    expect(chosen(report, { strategy: 'random', seed: 7 })).toEqual(chosen(report, { strategy: 'random', seed: 7 }));
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 600; seed++) {
      for (const place of chosen(report, { strategy: 'random', seed, k: 2 })) {
        counts.set(place, (counts.get(place) ?? 0) + 1);
      }
    }
    expect(counts.size).toBe(24);
    // 600 draws of 2 of 6: mean 200, standard deviation 11.5.
    for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(60);
  });

  it('counts BERT-large as in the paper: 14,164,992 of 335,141,888', () => {
    const report = reportOf(24, 16, () => 1);
    report.model = { ...report.model, headDim: 64, hiddenSize: 1024, parameters: 335_141_888 };
    const mask = selectHeads(report, { k: 3 });
    expect(mask.trainableParameters).toBe(14_164_992);
    expect(mask.share).toBeCloseTo(0.0423, 4);
    expect(selectHeads(report, { k: 3, strategy: 'hifi-mid-top' }).share).toBeCloseTo(0.0211, 4);
  });

  it.each([
    [{ k: 0 }, 'k is 0; it must be 1 to 4: a layer of this model has 4 heads'],
    [{ k: 5 }, 'k is 5; it must be 1 to 4: a layer of this model has 4 heads'],
    [{ k: 1.5 }, 'k is 1.5'],
    [{ strategy: 'best' as 'hifi' }, 'strategy is "best"; it must be one of hifi, '],
    [{ tune: 'qq' as 'q' }, 'tune is "qq"; it must be letters of qkvo, each once, commas optional, or neurons'],
    [{ seed: -1 }, 'seed is -1'],
    [{ damping: 1 }, 'damping is 1'],
    [{ k: 2, budget: 0.1 }, 'k is 2 and budget is 0.1; give one of them'],
    [{ budget: 0 }, 'budget is 0; it must be above 0, at most 1'],
    [{ budget: 1.5 }, 'budget is 1.5; it must be above 0, at most 1'],
    [{ budget: Number.NaN }, 'budget is NaN'],
    // A head of this model has 3·4·16 + 2·4 of 100,000 parameters.
    [
      { budget: 0.0019 },
      "budget is 0.0019; it must be at least 0.00201: one head is 200 of the model's 100000 parameters",
    ],
  ])('refuses %j', (options, message) => {
    const select = () =>
      selectHeads(
        reportOf(2, 4, () => 1),
        options,
      );
    expect(select).toThrow(HifiError);
    expect(select).toThrow(message);
  });
});

describe('a budget', () => {
  const anyBudget = fc.double({ min: 0.02, max: 1, noNaN: true });
  const tunes = fc.constantFrom(...HEAD_TUNES);
  const ranked = [
    'hifi',
    'hifi-mid-top',
    'random',
    'bottom',
    'magnitude',
    'activation',
    'richness-only',
    'correlation-only',
  ];
  const strategies = fc.constantFrom(...(ranked as (typeof STRATEGIES)[number][]));

  it('is spent on the best heads of the whole model, up to the last that fits', () => {
    fc.assert(
      fc.property(anyReport, anyBudget, tunes, strategies, ({ report }, budget, tune, strategy) => {
        const { layers, heads } = report.model;
        report.model.parameters = 50 * parametersPerHead(report.model, 'qkvo'); // 0.02 is a head or more
        const mask = selectHeads(report, { budget, tune, strategy });
        const first = strategy === 'hifi-mid-top' ? Math.floor(layers / 2) : 0;
        const perHead = parametersPerHead(report.model, tune);
        expect(mask).toMatchObject({ budget, trainableParameters: mask.heads.length * perHead });
        expect(mask).not.toHaveProperty('k');
        expect(mask.share).toBeLessThanOrEqual(budget);
        const all = (layers - first) * heads;
        if (mask.heads.length < all) {
          expect(((mask.heads.length + 1) * perHead) / report.model.parameters).toBeGreaterThan(budget);
        }
        const places = mask.heads.map(({ layer, head }) => layer * heads + head);
        expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
        expect(mask.heads.every(({ layer }) => layer >= first)).toBe(true);
        // The mask's own share selects the same heads again.
        expect(selectHeads(report, { budget: mask.share, tune, strategy }).heads).toEqual(mask.heads);
      }),
    );
  });

  it('takes the highest scores of all layers together, with bottom the lowest', () => {
    const report = reportOf(3, 3, (node) => [1, 9, 2, 8, 8, 3, 7, 1, 8][node]);
    report.model.parameters = 10 * parametersPerHead(report.model, 'qkv');
    expect(chosen(report, { strategy: 'richness-only', budget: 0.3 })).toEqual(['0.1', '1.0', '1.1']);
    expect(chosen(report, { strategy: 'richness-only', budget: 0.4 })).toEqual(['0.1', '1.0', '1.1', '2.2']);
    // All correlations are equal: PageRank over the whole model depends on richness.
    expect(chosen(report, { strategy: 'hifi', budget: 0.4 })).toEqual(['0.1', '1.0', '1.1', '2.2']);
    expect(chosen(report, { strategy: 'hifi-mid-top', budget: 0.4 })).toEqual(['1.0', '1.1', '2.0', '2.2']);
    expect(chosen(report, { strategy: 'bottom', budget: 0.2 })).toEqual(['0.0', '2.1']);
    expect(chosen(report, { strategy: 'hifi', budget: 1 })).toHaveLength(9);
  });

  it('ranks in the graph of the whole model, whatever the scope', () => {
    // Head 0 of layer 0 is tied to the other layer.
    const report = reportOf(
      2,
      3,
      () => 5,
      (i, j) => (i === 0 && j >= 3 ? 0.9 : 0.1),
    );
    report.model.parameters = 10 * parametersPerHead(report.model, 'qkv');
    const budgeted = selectHeads(report, { budget: 0.1, scope: 'layer' });
    expect(budgeted).toEqual(selectHeads(report, { budget: 0.1, scope: 'model' }));
    expect(budgeted.heads[0].score).toBe(rankHeads(report, { scope: 'model' }).pagerank[0][0]);
  });

  it('counts the rows of W_K and W_V that heads of a group share once', () => {
    const report = reportOf(2, 4, (node) => [9, 1, 8, 7, 3, 2, 6, 5][node]);
    report.model.headParameters = { q: 10, k: 20, v: 30, o: 5, groupSize: 2 };
    report.model.parameters = 1000;
    const richest = { strategy: 'richness-only' } as const;
    // By richness: 0.0, 0.2, 0.3, 1.2, 1.3, … Each opens a group, but 0.3 and 1.3.
    expect(selectHeads(report, { ...richest, budget: 0.06 }).heads).toHaveLength(1);
    expect(chosen(report, { ...richest, budget: 0.13 })).toEqual(['0.0', '0.2', '0.3']);
    expect(selectHeads(report, { ...richest, budget: 0.13 })).toMatchObject({ trainableParameters: 130, share: 0.13 });
    expect(chosen(report, { ...richest, budget: 0.199 })).toEqual(['0.0', '0.2', '0.3', '1.2']);
    expect(selectHeads(report, { ...richest, budget: 0.2 }).heads).toHaveLength(5);
    expect(selectHeads(report, { strategy: 'all', tune: 'qkvo' }).trainableParameters).toBe(8 * 15 + 4 * 50);
    expect(() => selectHeads(report, { ...richest, budget: 0.059 })).toThrow('one head is 60 of the model');
    const places = [3, 2, 1].map((head) => ({ layer: 1, head }));
    expect(trainedParameters(report.model, { heads: places, tune: 'qkv' })).toBe(3 * 10 + 2 * 50);
    expect(trainedParameters(report.model, { heads: places, tune: 'qo' })).toBe(3 * 15);
    expect(trainedParameters(report.model, { heads: places, tune: 'kv' })).toBe(2 * 50);
    expect(trainedParameters(report.model, { heads: places, tune: 'vo' })).toBe(3 * 5 + 2 * 30);
  });

  it('is ignored by all and none', () => {
    const report = reportOf(2, 3, () => 1);
    expect(selectHeads(report, { strategy: 'all', budget: 1e-9 })).toMatchObject({ k: 3 });
    expect(selectHeads(report, { strategy: 'none', budget: 0.5 })).toMatchObject({ k: 0, heads: [] });
  });

  it('counts BERT-large: 2 % are 34 of 384 heads, 25 with qkvo', () => {
    const report = reportOf(24, 16, (node) => 1 + (node % 7));
    report.model = { ...report.model, headDim: 64, hiddenSize: 1024, parameters: 335_141_888 };
    // A head has 3·64·1024 + 2·64 = 196,736 parameters, 0.0587 %; with W_O 262,272, 0.0783 %.
    const mask = selectHeads(report, { strategy: 'richness-only', budget: 0.02 });
    expect(mask.heads).toHaveLength(34);
    expect(mask.share).toBeCloseTo((34 * 196_736) / 335_141_888, 12);
    expect(selectHeads(report, { strategy: 'richness-only', budget: 0.02, tune: 'qkvo' }).heads).toHaveLength(25);
    expect(() => selectHeads(report, { budget: 0.0005 })).toThrow('it must be at least 0.000588');
    expect(selectHeads(report, { budget: 0.000588 }).heads).toHaveLength(1);
  });
});
