import * as fs from 'node:fs';
import * as path from 'node:path';
import {
  bootstrapInterval,
  differences,
  interquartileMean,
  probabilityOfImprovement,
  type Strata,
} from '../../compare/statistics';

// Results of NumPy and SciPy: test/fixtures/make_comparison_golden.py.
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, '../fixtures/comparison.golden.json'), 'utf8'));

test.each(golden.means as { values: number[]; interquartileMean: number }[])(
  "the interquartile mean is SciPy's, in any order: %#",
  (each) => {
    expect(interquartileMean(each.values)).toBeCloseTo(each.interquartileMean, 12);
    expect(interquartileMean(each.values.toReversed())).toBeCloseTo(each.interquartileMean, 12);
  },
);

test.each(golden.improvements as { x: number[][]; y: number[][]; probability: number }[])(
  "the probability of improvement is SciPy's: %#",
  ({ x, y, probability }) => {
    expect(probabilityOfImprovement(x, y)).toBeCloseTo(probability, 12);
    expect(probabilityOfImprovement(y, x)).toBeCloseTo(1 - probability, 12);
  },
);

interface Intervals {
  x: number[][];
  y: number[][];
  draws: number[][][];
  level: number;
  score: number[];
  difference: number[];
  improvement: number[];
}

test.each(golden.intervals as Intervals[])(
  "bootstrap intervals of the same draws are NumPy's: %#",
  ({ x, y, draws, level, ...expected }) => {
    const interval = (sides: Strata[], statistic: (...sides: Strata[]) => number) => {
      const drawn = draws.flat(2);
      const draw = (n: number) => {
        const next = drawn.shift() as number;
        expect(next).toBeLessThan(n);
        return next;
      };
      const found = bootstrapInterval(sides, statistic, { replicates: draws.length, level, draw });
      expect(drawn).toEqual([]);
      return found;
    };
    const mean = (strata: Strata) => interquartileMean(strata.flat());
    const of = ([low, high]: number[]) => ({ low: expect.closeTo(low, 10), high: expect.closeTo(high, 10) });
    expect(interval([x], mean)).toEqual(of(expected.score));
    expect(interval([x, y], (a, b) => mean(differences(a, b)))).toEqual(of(expected.difference));
    expect(interval([x, y], probabilityOfImprovement)).toEqual(of(expected.improvement));
  },
);

test('a single run has no interval; no runs, or different tasks, are refused', () => {
  const bootstrap = { replicates: 10, level: 0.95, draw: () => 0 };
  expect(bootstrapInterval([[[1], [2]]], (x) => x[0][0], bootstrap)).toBeUndefined();
  expect(() => interquartileMean([])).toThrow(RangeError);
  expect(() => probabilityOfImprovement([[1]], [[1], [2]])).toThrow(RangeError);
  expect(() => probabilityOfImprovement([[1]], [[]])).toThrow(RangeError);
});
