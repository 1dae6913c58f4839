import * as fc from 'fast-check';
import { richnessCounts } from '../../analyzer/richness';

const countsOf = (sigma: number[], xis: number[]) => {
  const counts = new Float64Array(xis.length);
  richnessCounts(Float64Array.from(sigma), sigma.length, xis, counts);
  return Array.from(counts);
};

describe('richnessCounts', () => {
  it('counts up to the share ξ of the sum, including equality', () => {
    // Sums 4, 7, 9, 10 of 10.
    expect(countsOf([4, 3, 2, 1], [0.3, 0.4, 0.41, 0.7, 0.9, 0.91, 1])).toEqual([1, 1, 2, 2, 3, 4, 4]);
  });

  it('counts equality as reached in spite of rounding', () => {
    // 0.9 · (0.1 + … ten times) is above nine tenths in doubles.
    expect(countsOf(new Array(10).fill(0.1), [0.9])).toEqual([9]);
  });

  it('is 1 for zeros and for one value', () => {
    expect(countsOf([0, 0, 0], [0.5, 0.99])).toEqual([1, 1]);
    expect(countsOf([3], [0.9])).toEqual([1]);
  });

  it('is the smallest t of the definition', () => {
    const sigmas = fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sigmas, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, xi) => {
        const sigma = values.sort((a, b) => b - a);
        const total = sigma.reduce((a, b) => a + b);
        const sums = sigma.map((_, t) => sigma.slice(0, t + 1).reduce((a, b) => a + b));
        const least = sums.findIndex((sum) => sum >= xi * total * (1 - 1e-12)) + 1;
        expect(countsOf(sigma, [xi])).toEqual([least]);
      }),
    );
  });
});
