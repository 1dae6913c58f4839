import fc from 'fast-check';
import { drawSample, holdOut, type Strata } from '../../data/split';

const seeds = fc.nat();

/** Rows of one stratum. */
const alike = (rows: number): Strata => ({ of: new Int32Array(rows) });

describe('holdOut', () => {
  it('holds out a tenth: both parts ascending, each row in one of the two', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 500 }), seeds, (rows, seed) => {
        const { train, dev } = holdOut(alike(rows), seed);
        expect(dev.length).toBe(Math.max(1, Math.round(rows / 10)));
        for (const part of [train, dev]) expect([...part]).toEqual([...part].sort((a, b) => a - b));
        expect([...train, ...dev].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i));
        expect(holdOut(alike(rows), seed)).toEqual({ train, dev });
      }),
    );
  });

  it('holds out other rows with another seed', () =>
    expect(holdOut(alike(100), 0).dev).not.toEqual(holdOut(alike(100), 1).dev));

  it('gives each class its share, and leaves a single row of a class in the training', () => {
    const of = Int32Array.from({ length: 400 }, (_, row) =>
      row === 7 ? 3 : row % 10 === 0 ? 1 : row % 40 === 1 ? 2 : 0,
    );
    const count = (rows: Int32Array, wanted: number) => rows.filter((row) => of[row] === wanted).length;
    for (let seed = 0; seed < 20; seed++) {
      const { train, dev } = holdOut({ of }, seed);
      expect([0, 1, 2, 3].map((stratum) => count(dev, stratum))).toEqual([35, 4, 1, 0]);
      expect(count(train, 3)).toBe(1);
    }
  });

  it('keeps the rows of a unit together', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { minLength: 20, maxLength: 300 }), seeds, (units, seed) => {
        fc.pre(new Set(units).size > 1);
        const of = units.map((unit) => unit % 3);
        const { train, dev } = holdOut({ of, units }, seed);
        const [trained, held] = [train, dev].map((rows) => new Set(Array.from(rows, (row) => units[row])));
        expect([...held].filter((unit) => trained.has(unit))).toEqual([]);
        expect(held.size).toBeGreaterThan(0);
        expect(trained.size).toBeGreaterThan(0);
        expect(train.length + dev.length).toBe(units.length);
      }),
    );
    expect(() => holdOut({ of: [1, 1], units: [0, 0] }, 0)).toThrow(/one query/);
  });

  it('cannot split one row', () => expect(() => holdOut(alike(1), 0)).toThrow(/one training row/));
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
