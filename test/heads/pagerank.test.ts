import * as fs from 'node:fs';
import * as path from 'node:path';
import * as fc from 'fast-check';
import { HifiError } from '../../foundation/errors';
import type { Teleport } from '../../heads/head-report';
import { pagerank, pagerankRounds } from '../../heads/pagerank';

const golden: {
  graphs: {
    correlation: number[][];
    richness: number[];
    results: { damping: number; teleport: Teleport; scores: number[] }[];
  }[];
} = JSON.parse(fs.readFileSync(path.join(__dirname, 'ranking.golden.json'), 'utf8'));

const TELEPORTS: Teleport[] = ['richness', 'uniform'];

describe('pagerank', () => {
  it('agrees with NetworkX, also for rows of zeros', () => {
    for (const { correlation, richness, results } of golden.graphs) {
      for (const { damping, teleport, scores } of results) {
        const ranked = pagerank({
          correlation: correlation.flat(),
          richness,
          damping,
          teleport,
        });
        // The rounds end at ‖Δp‖₁ < 1e-9, which leaves at most δ/(1−δ) times that.
        for (const [h, score] of scores.entries()) expect(Math.abs(ranked.scores[h] - score)).toBeLessThan(4e-8);
      }
    }
  });

  it('has the closed form of two heads: p = (v₁ + δv₂, v₂ + δv₁)/(1 + δ)', () => {
    for (const damping of [0.2, 0.5, 0.85]) {
      const { scores } = pagerank({ correlation: [1, 0.3, 0.3, 1], richness: [3, 1], damping, teleport: 'richness' });
      expect(scores[0]).toBeCloseTo((0.75 + damping * 0.25) / (1 + damping), 8);
      expect(scores[1]).toBeCloseTo((0.25 + damping * 0.75) / (1 + damping), 8);
    }
  });

  it('gives all heads 1/n with equal edges and uniform teleport, whatever the richness', () => {
    const n = 7;
    const { scores } = pagerank({
      correlation: new Float64Array(n * n).fill(0.4),
      richness: [1, 9, 2, 8, 3, 7, 4],
      damping: 0.85,
      teleport: 'uniform',
    });
    for (const score of scores) expect(score).toBeCloseTo(1 / n, 8);
  });

  it('stays at p⁰ without correlations and with teleport by richness', () => {
    const { scores } = pagerank({ correlation: new Float64Array(9), richness: [1, 2, 5], teleport: 'richness' });
    expect(Array.from(scores)).toEqual([1 / 8, 2 / 8, 5 / 8]);
  });

  it('gives a single head the whole score', () => {
    expect(pagerank({ correlation: [0], richness: [4] })).toEqual({ scores: Float64Array.of(1), iterations: 0 });
  });

  it('ignores the diagonal', () => {
    const richness = [1, 2, 3];
    const withOnes = pagerank({ correlation: [1, 0.2, 0.5, 0.2, 1, 0.7, 0.5, 0.7, 1], richness });
    const withOther = pagerank({ correlation: [9, 0.2, 0.5, 0.2, -9, 0.7, 0.5, 0.7, Number.NaN], richness });
    expect(withOther.scores).toEqual(withOnes.scores);
  });

  it('sums to 1 and does not depend on the scale of correlation or richness', () => {
    const graph = fc.integer({ min: 2, max: 9 }).chain((n) =>
      fc.record({
        correlation: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: n * n, maxLength: n * n }),
        richness: fc.array(fc.integer({ min: 1, max: 64 }), { minLength: n, maxLength: n }),
        damping: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        teleport: fc.constantFrom(...TELEPORTS),
      }),
    );
    fc.assert(
      fc.property(graph, ({ correlation, richness, damping, teleport }) => {
        const { scores, iterations } = pagerank({ correlation, richness, damping, teleport });
        expect(scores.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
        expect(iterations).toBeLessThanOrEqual(pagerankRounds(damping));
        const scaled = pagerank({
          correlation: correlation.map((r) => r * 8),
          richness: richness.map((i) => i * 4),
          damping,
          teleport,
        });
        for (const [h, score] of scaled.scores.entries()) expect(score).toBeCloseTo(scores[h], 7);
      }),
    );
  });

  it('may take 142 rounds at a damping of 0.85; more rounds are an error', () => {
    expect(pagerankRounds(0.85)).toBe(142);
    const graph = { correlation: [0, 1, 1, 0], richness: [5, 1], damping: 0.85 };
    expect(() => pagerank({ ...graph, maxRounds: 3 })).toThrow('PageRank has not converged in 3 rounds');
    expect(pagerank(graph).iterations).toBeGreaterThan(3);
  });

  it.each([
    [{ correlation: [0, 1, 1, 0], richness: [1, 1], damping: 1 }, 'damping is 1'],
    [{ correlation: [0, 1, 1, 0], richness: [1, 1], damping: 0 }, 'damping is 0'],
    [{ correlation: [0, 1, 1, 0], richness: [1, 1], damping: Number.NaN }, 'damping is NaN'],
    [{ correlation: [0, -0.1, 1, 0], richness: [1, 1] }, 'correlation of heads 0 and 1 is -0.1'],
    [{ correlation: [0, 1, Number.NaN, 0], richness: [1, 1] }, 'correlation of heads 1 and 0 is NaN'],
    [{ correlation: [0, 1, 1], richness: [1, 1] }, 'correlation has 3 entries; 2 heads need 4'],
    [{ correlation: [0, 1, 1, 0], richness: [1, -1] }, 'richness of head 1 is -1'],
    [{ correlation: [0, 1, 1, 0], richness: [0, 0] }, 'richness is 0 for all 2 heads'],
  ])('refuses %j', (input, message) => {
    expect(() => pagerank(input)).toThrow(HifiError);
    expect(() => pagerank(input)).toThrow(message);
  });
});
