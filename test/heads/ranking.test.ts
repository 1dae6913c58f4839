import { rankHeads, rankingWarnings } from '../../heads/ranking';

const pearson = [
  [1, 0.5, 0.2, 0.1],
  [0.5, 1, 0.3, 0.4],
  [0.2, 0.3, 1, 0.6],
  [0.1, 0.4, 0.6, 1],
];
const report = {
  richness: [
    [4, 2],
    [1, 3],
  ],
  correlation: { pearson, covariance: pearson.map((row) => row.map((r) => r * 7)) },
};

describe('rankHeads', () => {
  it('ranks one graph per layer, or one of all heads', () => {
    const byLayer = rankHeads(report, { scope: 'layer' });
    for (const layer of byLayer.pagerank) expect(layer[0] + layer[1]).toBeCloseTo(1, 12);
    // Two heads, δ = ½, v = p⁰ = (⅔, ⅓): p = (⅔ + ½·⅓, …)/1.5
    expect(byLayer.pagerank[0][0]).toBeCloseTo((2 / 3 + 1 / 6) / 1.5, 8);
    expect(byLayer.correlationSum).toEqual([
      [0.5, 0.5],
      [0.6, 0.6],
    ]);
    const whole = rankHeads(report, { scope: 'model' });
    expect(whole.pagerank.flat().reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(whole.correlationSum[1][0]).toBeCloseTo(0.2 + 0.3 + 0.6, 12);
  });

  it("reports the ranking's correlation with richness and with Σr, 0 if all heads are equal", () => {
    const { rankCorrelations } = rankHeads(report);
    expect(rankCorrelations).toEqual([
      { richness: 1, correlationSum: 0 },
      { richness: 1, correlationSum: 0 },
    ]);
  });

  it('ranks layers of a single head', () => {
    const one = { richness: [[3]], correlation: { pearson: [[1]], covariance: [[1]] } };
    expect(rankHeads(one)).toMatchObject({ pagerank: [[1]], correlationSum: [[0]], iterations: 0 });
  });

  it('warns of covariance over the whole model', () => {
    expect(rankingWarnings({ scope: 'model', correlation: 'covariance' })).toHaveLength(1);
    expect(rankingWarnings({ scope: 'model', correlation: 'pearson' })).toEqual([]);
    expect(rankingWarnings({ scope: 'layer', correlation: 'covariance' })).toEqual([]);
  });

  it('refuses a report whose shapes do not match', () => {
    const short = { ...report, correlation: { ...report.correlation, pearson: pearson.slice(1) } };
    expect(() => rankHeads(short)).toThrow('correlation.pearson must be 4 × 4 for 4 heads; it has 3 rows');
    expect(() => rankHeads({ ...report, richness: [[1, 2], [3]] })).toThrow('richness must be one number per head');
  });
});
