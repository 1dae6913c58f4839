import { convergence } from '../../heads/convergence';
import { RANKING_DEFAULTS, rankHeads } from '../../heads/ranking';
import { sampleReport } from '../job/sample-results';

it('v₁ − v₂|·δᵗ|has the closed form of two heads: round t moves 2·|v₁ − v₂|·δᵗ|v₁ − v₂|·δᵗ', () => {
  const correlation = { pearson: [[1, 0.3], [0.3, 1]], covariance: [[1, 0.3], [0.3, 1]] }; // biome-ignore format: matrices
  for (const damping of [0.2, 0.5, 0.85]) {
    const [changes, ...more] = convergence({ richness: [[3, 1]], correlation }, { ...RANKING_DEFAULTS, damping });
    expect(more).toEqual([]);
    for (const [i, change] of changes.entries()) expect(change).toBeCloseTo(2 * 0.5 * damping ** (i + 1), 12);
    expect(changes.at(-1)).toBeLessThan(1e-9);
    expect(changes.at(-2)).toBeGreaterThanOrEqual(1e-9);
  }
});

it('has the rounds of the ranking, for one graph per layer or one of the model', () => {
  const report = sampleReport(3, 5);
  for (const scope of ['layer', 'model'] as const) {
    const options = { ...RANKING_DEFAULTS, scope };
    const traces = convergence(report, options);
    expect(traces).toHaveLength(scope === 'layer' ? 3 : 1);
    expect(Math.max(...traces.map(({ length }) => length))).toBe(rankHeads(report, options).iterations);
  }
  expect(convergence(sampleReport(2, 1), RANKING_DEFAULTS)).toEqual([[], []]);
});
