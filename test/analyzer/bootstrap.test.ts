import * as fs from 'node:fs';
import { BootstrapSums } from '../../analyzer/bootstrap';
import { rankStatistics } from '../../analyzer/head-report';
import { analyzeShard } from '../../analyzer/pipeline';
import { mix, poissonWeight, REPLICATES, replicateKeys } from '../../analyzer/poisson-weights';
import { HeadStatistics } from '../../analyzer/statistics';
import { analysisOptions, reportOptions } from '../../heads/analysis-options';
import type { CorrelationKind, Scope, Teleport } from '../../heads/head-report';
import { drain, fixture, GOLDEN_OPTIONS, PAIRS, TRAIN } from './run';

interface Golden {
  weights: Record<string, Record<string, number[]>>;
  analyses: {
    model: string;
    data: string;
    k: number;
    seed: number;
    rankings: {
      correlation: CorrelationKind;
      teleport: Teleport;
      damping: number;
      scope: Scope;
      stability: number[][];
      holds: number[];
    }[];
  }[];
}
const golden: Golden = JSON.parse(fs.readFileSync(fixture('bootstrap.golden.json'), 'utf8'));

describe('the weights', () => {
  it('are those of the definition, as computed in another language', () => {
    for (const [seed, rows] of Object.entries(golden.weights)) {
      const keys = replicateKeys(Number(seed));
      for (const [row, weights] of Object.entries(rows)) {
        expect(Array.from(keys, (key) => poissonWeight(key, mix(Number(row))))).toEqual(weights);
      }
    }
  });

  it('are Poisson(1): mean, variance, shares; rows and replicates are independent', () => {
    const rows = 5000;
    const n = REPLICATES * rows;
    const all = Array.from(replicateKeys(3), (key) =>
      Float64Array.from({ length: rows }, (_, row) => poissonWeight(key, mix(row)) - 1),
    );
    const sumOf = (f: (value: number) => number) => all.reduce((sum, one) => one.reduce((s, v) => s + f(v), sum), 0);
    // Five standard errors: σ² = 1, the fourth central moment is 4, so the variance has variance
    // 3/n.
    expect(Math.abs(sumOf((v) => v) / n)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(sumOf((v) => v * v) / n - 1)).toBeLessThan(5 * Math.sqrt(3 / n));
    let share = Math.exp(-1);
    for (let weight = 0; weight < 6; weight++) {
      const found = sumOf((v) => (v === weight - 1 ? 1 : 0)) / n;
      expect(Math.abs(found - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / n));
      share /= weight + 1;
    }
    // Neighbours' products have mean 0 and variance 1.
    let [byRow, byReplicate] = [0, 0];
    all.forEach((one, replicate) => {
      for (let row = 1; row < rows; row++) byRow += one[row] * one[row - 1];
      if (replicate > 0) for (let row = 0; row < rows; row++) byReplicate += one[row] * all[replicate - 1][row];
    });
    expect(Math.abs(byRow) / Math.sqrt(n)).toBeLessThan(5);
    expect(Math.abs(byReplicate) / Math.sqrt(n)).toBeLessThan(5);
  });
});

describe.each(['pearson', 'covariance'] as const)('the sums of replicates of %s', (correlation) => {
  const shape = { seed: 5, correlation, scope: 'layer' } as const;
  const [layers, heads, rows] = [2, 3, 70];
  const t = (row: number, node: number) => 1 + ((row * 7 + node * 3) % 11);
  const c = (row: number, pair: number) =>
    Math.abs(Math.sin(row * 13 + pair)) * (correlation === 'covariance' ? 10 ** ((row % 9) - 5) : 1);
  const sumsOf = (numbers: number[], batch: number) => {
    const sums = new BootstrapSums(shape, layers, heads);
    for (let at = 0; at < numbers.length; at += batch) {
      for (const row of numbers.slice(at, at + batch)) {
        const numbersOf = (of: (row: number, i: number) => number) =>
          Float64Array.from({ length: 6 }, (_, i) => of(row, i));
        sums.add(row, numbersOf(t), numbersOf(c));
      }
      sums.flush();
    }
    return sums;
  };
  const all = Array.from({ length: rows }, (_, row) => row);

  it('are Σw·t to the last bit, and Σw·c up to the rounding of c', () => {
    const sums = sumsOf(all, 16);
    const quantum = correlation === 'pearson' ? 2 ** -26 : 2 ** -52;
    for (const [replicate, key] of replicateKeys(5).entries()) {
      const weights = all.map((row) => poissonWeight(key, mix(row)));
      const weighted = (of: (row: number) => number) => all.reduce((sum, row) => sum + weights[row] * of(row), 0);
      expect(sums.draws[replicate]).toBe(weighted(() => 1));
      for (let node = 0; node < 6; node++) expect(sums.counts(replicate)[node]).toBe(weighted((row) => t(row, node)));
      for (let pair = 0; pair < 6; pair++) {
        const wanted = weighted((row) => c(row, pair));
        const room = sums.draws[replicate] * (quantum / 2) + wanted * 1e-13;
        expect(Math.abs(sums.correlation(replicate, pair) - wanted)).toBeLessThanOrEqual(room);
      }
    }
  });

  it('have the same bits in any order, batches and parts', () => {
    const whole = sumsOf(all, 16);
    const backwards = sumsOf(all.toReversed(), 7);
    const parts = sumsOf(all.slice(33), 64);
    parts.merge(sumsOf(all.slice(0, 33), 1));
    for (const other of [backwards, parts]) {
      expect(other.draws).toEqual(whole.draws);
      expect(other.sums).toEqual(whole.sums);
    }
  });
});

describe.each(golden.analyses)(
  'the stability of $model on $data, k $k, seed $seed',
  ({ model, data, k, seed, rankings }) => {
    it.each(['layer', 'model'] as const)('is the oracle’s, scope %s', async (scope) => {
      for (const correlation of ['pearson', 'covariance'] as const) {
        const options = analysisOptions({
          ...GOLDEN_OPTIONS,
          samples: data === 'pairs' ? 48 : 60,
          k,
          seed,
          scope,
          correlation,
        });
        const { result } = await drain(
          analyzeShard({
            model: fixture(model),
            data: data === 'pairs' ? PAIRS : TRAIN,
            options,
            shard: { index: 0, count: 1 },
          }),
        );
        const wanted = rankings.filter((ranking) => ranking.scope === scope && ranking.correlation === correlation);
        expect(wanted).toHaveLength(2);
        for (const { teleport, damping, stability, holds } of wanted) {
          const found = rankStatistics(
            { ...reportOptions(options), teleport, damping },
            HeadStatistics.from(result.statistics),
          ).stability!;
          expect(found.perHead.flat().map((share) => Math.round(share * REPLICATES))).toEqual(
            stability.flat().map((share) => Math.round(share * REPLICATES)),
          );
          expect(found.holds.map((share) => Math.round(share * REPLICATES))).toEqual(
            holds.map((share) => Math.round(share * REPLICATES)),
          );
        }
      }
    });
  },
);
