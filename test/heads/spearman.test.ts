import * as fs from 'node:fs';
import * as path from 'node:path';
import { spearman } from '../../heads/spearman';

const golden: { spearman: { a: number[]; b: number[]; rho: number }[] } = JSON.parse(
  fs.readFileSync(path.join(__dirname, 'ranking.golden.json'), 'utf8'),
);

describe('spearman', () => {
  it('agrees with SciPy, also on ties', () => {
    expect(golden.spearman.length).toBeGreaterThan(2);
    for (const { a, b, rho } of golden.spearman) expect(spearman(a, b)).toBeCloseTo(rho, 12);
  });

  it('is 1 for any increasing and −1 for any decreasing function', () => {
    const x = [3, 1, 4, 1.5, 9, 2.6];
    expect(spearman(x, x.map(Math.exp))).toBeCloseTo(1, 12);
    expect(
      spearman(
        x,
        x.map((v) => -(v ** 3)),
      ),
    ).toBeCloseTo(-1, 12);
  });

  it('is 0 if it is undefined', () => {
    expect(spearman([1], [2])).toBe(0);
    expect(spearman([1, 1, 1], [1, 2, 3])).toBe(0);
  });
});
