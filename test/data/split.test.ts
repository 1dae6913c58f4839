import fc from 'fast-check';
import { drawSample, holdOut } from '../../data/split';

const seeds = fc.nat();

describe('holdOut', () => {
  it('holds out a tenth: both parts ascending, each row in one of the two', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 500 }), seeds, (rows, seed) => {
        const { train, dev } = holdOut(rows, seed);
        expect(dev.length).toBe(Math.max(1, Math.round(rows / 10)));
        for (const part of [train, dev]) expect([...part]).toEqual([...part].sort((a, b) => a - b));
        expect([...train, ...dev].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i));
        expect(holdOut(rows, seed)).toEqual({ train, dev });
      }),
    );
  });

  it('holds out other rows with another seed', () => expect(holdOut(100, 0).dev).not.toEqual(holdOut(100, 1).dev));

  it('cannot split one row', () => expect(() => holdOut(1, 0)).toThrow(/one training row/));
});

describe('drawSample', () => {
  it('draws distinct rows; a larger sample begins with the smaller; fewer rows are all drawn', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 500 }), seeds, (rows, n, seed) => {
        const sample = drawSample(rows, n, seed);
        expect(sample.length).toBe(Math.min(n, rows));
        expect(new Set(sample).size).toBe(sample.length);
        expect(sample.every((row) => row >= 0 && row < rows)).toBe(true);
        expect(drawSample(rows, n + 50, seed).slice(0, sample.length)).toEqual(sample);
      }),
    );
  });

  it('draws evenly', () => {
    const drawn = new Array<number>(20).fill(0);
    for (let seed = 0; seed < 4000; seed++) for (const row of drawSample(20, 5, seed)) drawn[row]++;
    // Each row is in a quarter of the samples: 1,000 ± 27 (one standard deviation).
    expect(Math.min(...drawn)).toBeGreaterThan(890);
    expect(Math.max(...drawn)).toBeLessThan(1110);
  });
});
