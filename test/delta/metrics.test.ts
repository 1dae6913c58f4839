import * as fs from 'node:fs';
import * as path from 'node:path';
import fc from 'fast-check';
import type { LabelSet } from '../../data/problem';
import { TASK_NAMES } from '../../data/tasks';
import * as metrics from '../../delta/metrics';
import { metricsOf } from '../../delta/problems';
import { rankings } from '../../delta/relevance-metrics';
import { bestThresholds, labelsAbove } from '../../delta/thresholds';
import { spearman } from '../../heads/spearman';

interface Case {
  name: string;
  predictions: number[];
  labels: number[];
  expected: Record<string, number>;
}

/** Output of test/fixtures/make_metrics_golden.py, by SciPy and scikit-learn. */
const golden: {
  classes: Case[];
  values: Case[];
  several: { name: string; predictions: number[][]; labels: number[][]; expected: Record<string, number> }[];
  ranked: {
    name: string;
    predictions: number[];
    queries: number[];
    relevance: number[];
    expected: Record<string, number>;
  }[];
  thresholds: { name: string; logits: number[][]; labels: number[][]; best: number[] }[];
} = JSON.parse(fs.readFileSync(path.join(__dirname, '../fixtures/metrics.golden.json'), 'utf8'));

/** Compares metrics with a library's. */
function nearly(found: Record<string, number>, expected: Record<string, number>): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) expect(found[name]).toBeCloseTo(value, 12);
}

const measures = {
  accuracy: metrics.accuracy,
  f1: metrics.f1,
  matthews: metrics.matthews,
  pearson: metrics.pearson,
  spearman,
  mse: metrics.meanSquaredError,
};

describe('against SciPy and scikit-learn', () => {
  it.each([...golden.classes, ...golden.values])('$name', ({ predictions, labels, expected }) => {
    for (const [name, value] of Object.entries(expected)) {
      const ours = measures[name as keyof typeof measures](predictions, labels);
      expect(Math.abs(ours - value)).toBeLessThanOrEqual(1e-10 * Math.max(1, Math.abs(value)));
    }
  });

  it('covers every measure', () => {
    const named = new Set([...golden.classes, ...golden.values].flatMap(({ expected }) => Object.keys(expected)));
    expect([...named].sort()).toEqual(Object.keys(measures).sort());
  });
});

describe('several labels per row, against scikit-learn', () => {
  const measured = metricsOf(undefined, { problem: 'multi-label', names: ['a'] });

  it.each(golden.several)('$name', ({ predictions, labels, expected }) => {
    const [predicted, targets] = [predictions, labels].map((rows) => rows.map((row) => Uint8Array.from(row)));
    nearly(measured.compute(predicted, targets), expected);
    expect(measured.isUndefinedOn(targets)).toBe(!labels.flat().includes(1));
  });

  it.each(golden.thresholds)('thresholds have the best F1 of each label: $name', ({ logits, labels, best }) => {
    const rows = { values: Float32Array.from(logits.flat()), outputs: best.length };
    const targets = labels.map((row) => Uint8Array.from(row));
    const thresholds = bestThresholds(rows, targets);
    const chosen = logits.map((row) => labelsAbove(Float32Array.from(row), { thresholds }));
    best.forEach((f1, label) => {
      const of = (cells: Uint8Array[]) => cells.map((row) => row[label]);
      expect(metrics.f1(of(chosen), of(targets))).toBeCloseTo(f1, 12);
    });
  });
});

test('the best order of distinct scores has an nDCG of exactly 1, and no order has more', () => {
  const query = (relevance: number[], scores = relevance.map((_, i) => -i)) => {
    const targets = relevance.map((value) => ({ query: 0, relevance: value }));
    return rankings(scores, targets)[0].ndcg;
  };
  for (const relevance of [new Array(7).fill(1), new Array(4).fill(0.3), [3, 2, 2, 1, 0.7, 0.1, 0]]) {
    expect(query(relevance)).toBe(1);
    // Rows that tie share their gains.
    const tied = query(relevance, new Array(relevance.length).fill(0.5));
    expect(tied).toBeLessThanOrEqual(1);
    if (new Set(relevance).size === 1) expect(tied).toBeCloseTo(1, 14);
  }
});

describe('relevance, against scikit-learn', () => {
  const measured = metricsOf(undefined, { problem: 'relevance', names: [] });

  it.each(golden.ranked)('$name', ({ predictions, queries, relevance, expected }) => {
    const targets = relevance.map((value, row) => ({ query: queries[row], relevance: value }));
    nearly(measured.compute(predictions, targets), expected);
    expect(measured.isUndefinedOn(targets)).toBe(relevance.every((value) => value === 0));
  });
});

describe('undefined values are 0', () => {
  it.each(Object.entries(measures))('%s of no rows', (_, measure) => expect(measure([], [])).toBe(0));
});

const bits = fc.array(fc.tuple(fc.nat(1), fc.nat(1)), { minLength: 1, maxLength: 60 });
const numbers = fc.array(fc.tuple(fc.float({ noNaN: true, min: -100, max: 100 }), fc.integer({ min: 0, max: 5 })), {
  minLength: 2,
  maxLength: 60,
});

describe('laws', () => {
  it('Matthews is Pearson of the classes', () => {
    fc.assert(
      fc.property(bits, (rows) => {
        const [a, b] = [rows.map(([x]) => x), rows.map(([, y]) => y)];
        expect(metrics.matthews(a, b)).toBeCloseTo(metrics.pearson(a, b), 12);
      }),
    );
  });

  it("Pearson's r does not depend on scale, even if squares under- or overflow", () => {
    const [a, b] = [
      [1, 2, 4, 8],
      [2, 1, 5, 6],
    ];
    for (const factor of [1e-200, 1e-300, 1e200]) {
      const scaled = a.map((x) => x * factor);
      expect(metrics.pearson(scaled, b)).toBeCloseTo(metrics.pearson(a, b), 12);
      expect(metrics.pearson(b, scaled)).toBeCloseTo(metrics.pearson(a, b), 12);
    }
  });

  it('correlations are symmetric, in [−1, 1], and flip with the sign', () => {
    fc.assert(
      fc.property(numbers, (rows) => {
        const [a, b] = [rows.map(([x]) => x), rows.map(([, y]) => y)];
        for (const r of [metrics.pearson, spearman]) {
          expect(r(a, b)).toBeCloseTo(r(b, a), 12);
          expect(Math.abs(r(a, b))).toBeLessThanOrEqual(1);
          expect(
            r(
              a.map((x) => -x),
              b,
            ),
          ).toBeCloseTo(-r(a, b), 12);
        }
      }),
    );
  });
});

describe('metricsOf', () => {
  const two: LabelSet = { problem: 'single-label', names: ['0', '1'] };
  const three: LabelSet = { problem: 'single-label', names: ['0', '1', '2'] };
  const number: LabelSet = { problem: 'regression', names: [] };

  it("has GLUE's metrics, the deciding one first", () => {
    const table = Object.fromEntries(TASK_NAMES.map((task) => [task, metricsOf(task, two).names.join(' ')]));
    expect(table).toEqual({
      cola: 'matthews',
      sst2: 'accuracy',
      mrpc: 'f1 accuracy',
      stsb: 'pearson spearman',
      qqp: 'f1 accuracy',
      mnli: 'accuracy',
      qnli: 'accuracy',
      rte: 'accuracy',
      wnli: 'accuracy majorityAccuracy',
    });
    expect(metricsOf('mrpc', two).best).toBe('f1');
  });

  it('has metrics by the problem for other data', () => {
    expect(metricsOf(undefined, two).names).toEqual(['accuracy', 'f1']);
    expect(metricsOf(null, three).names).toEqual(['accuracy']);
    expect(metricsOf(undefined, number).names).toEqual(['pearson', 'spearman', 'mse']);
  });

  it('computes them by name', () => {
    expect(metricsOf('mrpc', two).compute([1, 1, 0, 1], [1, 0, 0, 1])).toEqual({ f1: 0.8, accuracy: 0.75 });
    expect(metricsOf('wnli', two).compute([1, 1, 1], Int32Array.of(0, 1, 0))).toEqual({
      accuracy: 1 / 3,
      majorityAccuracy: 2 / 3,
    });
    expect(metricsOf(undefined, number).compute(Float32Array.of(1, 2), [3, 5])).toEqual({
      pearson: expect.closeTo(1, 12),
      spearman: expect.closeTo(1, 12),
      mse: 6.5,
    });
  });

  it('refuses predictions that are not numbers, and another count of them', () => {
    const { compute } = metricsOf(undefined, number);
    expect(() => compute([1, Number.NaN], [1, 2])).toThrow('the prediction of row 1 is NaN');
    expect(() => compute([1, 2], [1, Number.POSITIVE_INFINITY])).toThrow('the label of row 1 is Infinity');
    expect(() => compute([1], [1, 2])).toThrow('1 predictions for 2 labels');
  });
});

describe('argmax', () => {
  it('returns the index of the largest logit, of equal ones the lowest', () => {
    expect(metrics.argmax([0.1, 3, 2])).toBe(1);
    expect(metrics.argmax(Float32Array.of(2, 1, 2))).toBe(0);
    expect(metrics.argmax([-5])).toBe(0);
  });
});

describe('the better of two qualities', () => {
  const metricsOfTask = (task: 'cola' | 'mrpc' | 'sst2' | 'stsb') =>
    metricsOf(task, { problem: 'single-label', names: ['0', '1'] });

  it.each<['cola' | 'mrpc' | 'sst2' | 'stsb', number[], boolean]>([
    ['stsb', [2.5], true],
    ['stsb', [3, 3, 3], true],
    ['stsb', [3, 3, 4], false],
    ['cola', [1, 1], true],
    ['cola', [1, 0], false],
    ['mrpc', [0, 0], true],
    ['mrpc', [1, 1], false],
    ['sst2', [1], false],
  ])('the metric of %s on labels %j is undefined: %s', (task, labels, undefinedThere) => {
    const decided = metricsOfTask(task);
    expect(decided.isUndefinedOn(labels)).toBe(undefinedThere);
    // The metric is then 0 for any prediction.
    if (undefinedThere) {
      for (const predictions of [labels, labels.map(() => 0), labels.map((_, i) => i % 2)]) {
        expect(decided.compute(predictions, labels)[decided.best]).toBe(0);
      }
    }
  });

  it('is the larger value, of equals the earlier; the lower loss if the value is undefined', () => {
    const [low, high] = [
      { accuracy: 0.5, loss: 0.1 },
      { accuracy: 0.6, loss: 0.9 },
    ];
    const quality = (values: typeof low, byLoss: boolean) => metrics.qualityOf(metricsOfTask('sst2'), values, byLoss);
    expect(metrics.isBetter(quality(high, false), quality(low, false))).toBe(true);
    expect(metrics.isBetter(quality({ ...low, loss: 0 }, false), quality(low, false))).toBe(false);
    expect(metrics.isBetter(quality(low, true), quality(high, true))).toBe(true);
    expect(metrics.isBetter(quality(low, true), quality(low, true))).toBe(false);
  });
});
