import type { Targets } from '../../data/label-reading';
import type { LabelSet } from '../../data/problem';
import { type RandomStream, randomStream } from '../../data/random';
import type { TaskName } from '../../data/tasks';
import type { Metrics, Predicted } from '../../delta/metrics';
import { metricsOf } from '../../delta/problems';
import { ResampledMetric } from '../../delta/resampled-metric';

const ROWS = 60;
const CLASSES: LabelSet = { problem: 'single-label', names: ['a', 'b'] };
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));

/** Targets, and predictions of a better and a worse model. */
interface Answers {
  labels: LabelSet;
  task?: TaskName;
  targets: Targets;
  predict(random: RandomStream, row: number, noise: number): Predicted;
}

const tags = ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC'];
const drawn = randomStream(1, 'test/targets');
const bits = times(ROWS, () => drawn.int(2));
const values = times(ROWS, () => 5 * drawn.uniform());
const several = times(ROWS, () => Uint8Array.from(times(3, () => drawn.int(2))));
const words = times(ROWS, (row) => Int32Array.from(times(1 + (row % 7), () => drawn.int(tags.length))));
const judged = times(ROWS, (row) => ({ query: Math.floor(row / 5), relevance: row < 5 ? 0 : drawn.int(2) }));
const flipped = (random: RandomStream, bit: number, noise: number) => (random.uniform() < noise ? 1 - bit : bit);
const retagged = (row: Int32Array, random: RandomStream, noise: number) =>
  row.map((tag) => (random.uniform() < noise ? random.int(tags.length) : tag));

const CASES: Record<string, Answers> = {
  accuracy: {
    labels: { ...CLASSES, names: ['a', 'b', 'c'] },
    targets: bits,
    predict: (random, row, noise) => flipped(random, bits[row], noise),
  },
  f1: {
    labels: CLASSES,
    task: 'mrpc',
    targets: bits,
    predict: (random, row, noise) => flipped(random, bits[row], noise),
  },
  matthews: {
    labels: CLASSES,
    task: 'cola',
    targets: bits,
    predict: (random, row, noise) => flipped(random, bits[row], noise),
  },
  pearson: {
    labels: { problem: 'regression', names: [] },
    targets: values,
    predict: (random, row, noise) => values[row] + 9 * noise * random.normal(),
  },
  f1_micro: {
    labels: { problem: 'multi-label', names: ['a', 'b', 'c'] },
    targets: several,
    predict: (random, row, noise) => several[row].map((bit) => flipped(random, bit, noise)),
  },
  ndcg_at_10: {
    labels: { problem: 'relevance', names: [] },
    targets: judged,
    predict: (random, row, noise) => judged[row].relevance + 5 * noise * random.normal(),
  },
  entity_f1: {
    labels: { problem: 'tokens', names: tags },
    targets: words,
    predict: (random, row, noise) => retagged(words[row], random, noise),
  },
  word_accuracy: {
    labels: { problem: 'tokens', names: ['N', 'V', 'A', 'D', 'P'] },
    targets: words,
    predict: (random, row, noise) => retagged(words[row], random, noise),
  },
};

function compared({ labels, task, targets, predict }: Answers) {
  const random = randomStream(2, 'test/predictions');
  const predictions = [0.1, 0.3, 0.5].map((noise) => times(ROWS, (row) => predict(random, row, noise)));
  return { metrics: metricsOf(task, labels), predictions, targets, names: labels.names };
}

/** Value of the metric itself on drawn rows, of relevance on all rows of drawn queries. */
function valueOn(metrics: Metrics, predictions: readonly Predicted[], targets: Targets, units: readonly number[][]) {
  const rows = units.flatMap((unit, query) => unit.map((row) => ({ row, query })));
  const own = rows.map(({ row, query }) => {
    const target = targets[row];
    // A query that is drawn twice is two queries.
    return typeof target === 'object' && 'query' in target ? { ...target, query } : target;
  });
  return metrics.compute(
    rows.map(({ row }) => predictions[row]),
    own,
  )[metrics.best];
}

test.each(Object.entries(CASES))('%s of drawn rows is the metric itself on these rows', (name, answers) => {
  const { metrics, predictions, targets, names } = compared(answers);
  expect(metrics.deciding).toBe(name);
  const found = new ResampledMetric({ metrics, predictions, targets, names }, 7);
  const rows = times(ROWS, (row) => [row]);
  // The first query has no relevant row, so it counts in no mean.
  const queries = times(ROWS / 5, (query) => times(5, (i) => 5 * query + i)).filter((unit) =>
    unit.some((row) => judged[row].relevance > 0),
  );
  const units = name === 'ndcg_at_10' ? queries : rows;
  expect(found.settings).toEqual({ units: units.length, replicates: 1000, level: 0.95 });

  const random = randomStream(7, 'bootstrap');
  const replicates = times(1000, () => {
    const draw = times(units.length, () => units[random.int(units.length)]);
    return predictions.map((each) => valueOn(metrics, each, targets, draw));
  });
  const check = (models: number[], minus: number[] = []) => {
    const mean = (of: readonly number[], among: number[]) =>
      among.reduce((sum, model) => sum + of[model], 0) / Math.max(1, among.length);
    const difference = (of: readonly number[]) => mean(of, models) - mean(of, minus);
    const sorted = replicates.map(difference).sort((a, b) => a - b);
    const { value, interval } = found.mean(models, minus);
    expect(value).toBeCloseTo(difference(predictions.map((each) => metrics.compute(each, targets)[metrics.best])), 12);
    // 25 of 1,000 replicates are at or beyond each end.
    expect(interval.low).toBeCloseTo(sorted[24], 10);
    expect(interval.high).toBeCloseTo(sorted[975], 10);
  };
  check([0]);
  check([1], [0]);
  check([1, 2], [0]);
  expect(found.mean([0]).value).toBe(metrics.compute(predictions[0], targets)[metrics.best]);
});

test('the interval of an accuracy is that of a share', () => {
  const targets = times(2000, () => 1);
  const predictions = [times(2000, (row) => Number(row % 4 !== 0))];
  const { value, interval } = new ResampledMetric(
    { metrics: metricsOf(null, { ...CLASSES, names: ['a', 'b', 'c'] }), predictions, targets, names: [] },
    0,
  ).mean([0]);
  const error = 1.96 * Math.sqrt((0.75 * 0.25) / 2000);
  expect(value).toBe(0.75);
  expect(Math.abs(0.75 - interval.low - error)).toBeLessThan(0.1 * error);
  expect(Math.abs(interval.high - 0.75 - error)).toBeLessThan(0.1 * error);
});

test.each([
  ['equal values', CASES.pearson.labels, times(9, () => 2.5), times(9, (i) => i)],
  ['no relevant row', CASES.ndcg_at_10.labels, times(9, (query) => ({ query, relevance: 0 })), times(9, (i) => i)],
])('a metric that is undefined on %s is 0', (_, labels, targets, predictions) => {
  const metrics = metricsOf(null, labels);
  const found = new ResampledMetric({ metrics, predictions: [predictions], targets, names: [] }, 0);
  expect(found.mean([0])).toEqual({ value: 0, interval: { low: 0, high: 0 } });
});
