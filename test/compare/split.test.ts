import * as fc from 'fast-check';
import type { ComparedData } from '../../compare/data';
import { seedSplit } from '../../compare/seed-rows';
import { splitRows } from '../../compare/split';
import type { LabelSet } from '../../data/problem';

const first = { seed: 0, searchSeed: 0 };
const rows = (n: number, classes: number) => Int32Array.from({ length: n }, (_, row) => row % classes);

test('every row is in exactly one part, parts have the requested sizes, and each seed draws others', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 2, max: 40 }), (seed, train) => {
      const split = splitRows({ of: rows(100, 3) }, { rows: train }, { seed: seed, searchSeed: seed });
      expect(split.train).toHaveLength(train);
      expect(split.dev).toHaveLength(train);
      const all = [...split.train, ...split.dev, ...split.test];
      expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, row) => row));
      expect(splitRows({ of: rows(100, 3) }, { rows: train }, { seed: seed, searchSeed: seed })).toEqual(split);
      expect(
        splitRows({ of: rows(100, 3) }, { rows: train }, { seed: seed + 1, searchSeed: seed + 1 }).train,
      ).not.toEqual(split.train);
    }),
    { numRuns: 30 },
  );
});

test.each([
  ['rows', { rows: 100 }, 100],
  ['rows of each class', { rowsPerClass: 12 }, 36],
])('%s: the test rows are all others except those that chose the learning rate', (_, size, devRows) => {
  const classes = rows(400, 3);
  const search = splitRows({ of: classes }, size, first);
  for (const seed of [1, 2, 3]) {
    const { train, dev, test } = splitRows({ of: classes }, size, { seed, searchSeed: 0 });
    const tested = new Set(test);
    expect(search.dev.filter((row) => tested.has(row))).toHaveLength(0);
    const everywhere = new Set([...train, ...dev, ...test, ...search.dev]);
    expect(everywhere.size).toBe(400);
    expect(search.dev).toHaveLength(devRows);
    expect(test.length).toBeLessThan(search.test.length);
    // The training and dev rows are drawn from all rows in both versions.
    expect([train, dev]).toEqual(
      Object.values(splitRows({ of: classes }, size, { seed, searchSeed: seed })).slice(0, 2),
    );
  }
});

test('training and dev rows have the same number of each class', () => {
  const classes = rows(90, 3);
  const { train, dev, test } = splitRows({ of: classes }, { rowsPerClass: 8 }, first);
  const counts = (part: Int32Array) => [0, 1, 2].map((name) => part.filter((row) => classes[row] === name).length);
  expect([train, dev, test].map(counts)).toEqual([
    [8, 8, 8],
    [8, 8, 8],
    [14, 14, 14],
  ]);
  expect(counts(splitRows({ of: classes }, { rowsPerClass: 8 }, first, 6).dev)).toEqual([2, 2, 2]);
});

test('there are at most 500 dev rows by default', () => {
  expect(splitRows({ of: rows(4000, 2) }, { rows: 1000 }, first).dev).toHaveLength(500);
  expect(splitRows({ of: rows(4000, 2) }, { rows: 1000 }, first, 900).dev).toHaveLength(900);
  expect(splitRows({ of: rows(4000, 2) }, { rowsPerClass: 400 }, first).dev).toHaveLength(500);
});

test.each([
  [{ rows: 60 }, '--rows is 60, and 60 more are needed as dev rows; the training file has 100 rows'],
  [
    { rowsPerClass: 20 },
    '--rows-per-class is 20, and 20 more are needed as dev rows; the training file has 33 rows of class 2',
  ],
])('too few rows for %j are refused', (size, message) => {
  expect(() => splitRows({ of: rows(100, 3) }, size, first)).toThrow(message);
});

const hundred = <T>(target: (row: number) => T) => Array.from({ length: 100 }, (_, row) => target(row));

test.each([
  ['single-label', hundred((row) => Number(row > 95)), 'rows with the label "b"'],
  ['multi-label', hundred((row) => Uint8Array.of(1, Number(row > 95))), 'rows whose rarest label is "b"'],
  ['multi-label', hundred((row) => Uint8Array.of(Number(row < 96), 0)), 'rows without labels'],
  ['tokens', hundred((row) => Int32Array.of(0, Number(row > 95))), 'rows whose rarest label is "b"'],
])('%s: the error names the class with too few rows', (problem, targets, rowsOf) => {
  const data = { further: [], targets, labels: { problem, names: ['a', 'b'] } as LabelSet } as unknown as ComparedData;
  const message = `--rows-per-class is 3, and 3 more are needed as dev rows; the training file has 4 ${rowsOf}`;
  expect(() => seedSplit(data, { rowsPerClass: 3 }, first)).toThrow(message);
});

test.each([
  ['single-label', hundred((row) => Number(row === 0)), 'give more --rows, or --rows-per-class'],
  ['tokens', hundred((row) => Int32Array.of(0, Number(row === 0))), 'give more --rows'],
])('%s: training rows without a label are refused, with advice that fits', (problem, targets, advice) => {
  const data = { further: [], targets, labels: { problem, names: ['a', 'b'] } as LabelSet } as unknown as ComparedData;
  const message = `seed 0: none of the 5 training rows has the label "b"; ${advice}`;
  expect(() => seedSplit(data, { rows: 5 }, first)).toThrow(new RegExp(`^${message}$`));
});

test('each class has at least one dev row', () => {
  expect(splitRows({ of: rows(1300, 600) }, { rowsPerClass: 1 }, first).dev).toHaveLength(600);
  expect(() => splitRows({ of: rows(100, 3) }, { rowsPerClass: 8 }, first, 2)).toThrow(
    '--dev-rows is 2; with 3 classes it must be at least 3',
  );
});
