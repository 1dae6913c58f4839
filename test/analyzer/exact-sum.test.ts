import * as fc from 'fast-check';
import { EXACT_SUM_RANGE, ExactSums } from '../../analyzer/exact-sum';

const value = fc.oneof(
  fc.double({ min: -EXACT_SUM_RANGE, max: EXACT_SUM_RANGE, noNaN: true }),
  fc.double({ min: -1, max: 1, noNaN: true }),
  fc.double({ min: -1e-6, max: 1e-6, noNaN: true }),
  fc.constantFrom(0, -0, 1, 2 ** -78, 2 ** -79, -(2 ** -27), 0.1, 1 - 2 ** -53, EXACT_SUM_RANGE, -EXACT_SUM_RANGE),
);
const values = fc.array(value, { minLength: 1, maxLength: 200 });

const sumOf = (numbers: readonly number[]) => {
  const sums = new ExactSums(1);
  for (const number of numbers) sums.add(0, number);
  return sums;
};

/** Converts a double to multiples of 2⁻⁷⁸, rounded to even, from its bits alone. */
function units(number: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(number).buffer)[0];
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const mantissa = (bits & 0xfffffffffffffn) | (exponent === 0 ? 0n : 1n << 52n);
  const shift = Math.max(exponent, 1) - 1075 + 78;
  let magnitude: bigint;
  if (shift >= 0) {
    magnitude = mantissa << BigInt(shift);
  } else if (shift < -60) {
    magnitude = 0n;
  } else {
    const unit = 1n << BigInt(-shift);
    const rest = mantissa % unit;
    magnitude = mantissa / unit;
    if (2n * rest > unit || (2n * rest === unit && magnitude % 2n === 1n)) magnitude++;
  }
  return bits >> 63n ? -magnitude : magnitude;
}

describe('ExactSums', () => {
  it('is the true sum of the values in units of 2⁻⁷⁸, rounded once', () => {
    fc.assert(
      fc.property(values, (numbers) => {
        const truth = numbers.reduce((sum, number) => sum + units(number), 0n);
        expect(sumOf(numbers).value(0)).toBe(Number(truth) * 2 ** -78 + 0);
      }),
      { numRuns: 500 },
    );
  });

  it('has the same bits in any order and any partition', () => {
    const shuffledAndCut = values.chain((numbers) =>
      fc.record({
        numbers: fc.constant(numbers),
        shuffled: fc.shuffledSubarray(numbers, { minLength: numbers.length }),
        cuts: fc.array(fc.integer({ min: 0, max: numbers.length }), { maxLength: 4 }),
      }),
    );
    fc.assert(
      fc.property(shuffledAndCut, ({ numbers, shuffled, cuts }) => {
        const bounds = [0, ...cuts.sort((a, b) => a - b), numbers.length];
        const total = new ExactSums(1);
        for (let i = bounds.length - 2; i >= 0; i--) total.merge(sumOf(shuffled.slice(bounds[i], bounds[i + 1])));
        const whole = sumOf(numbers);
        // −0 and 0 are equal but differ in a bit.
        expect(total.bins.map((bin) => bin + 0)).toEqual(whole.bins.map((bin) => bin + 0));
        expect(total.value(0)).toBe(whole.value(0));
      }),
    );
  });

  it('preserves digits that plain addition loses', () => {
    const numbers = [2 ** 26, 2 ** -52, -(2 ** 26)];
    expect(numbers.reduce((a, b) => a + b)).toBe(0);
    expect(sumOf(numbers).value(0)).toBe(2 ** -52);
  });

  it('separates its sums, and continues from its bins', () => {
    const sums = new ExactSums(3);
    sums.add(0, 1.5);
    sums.add(2, -0.1);
    const again = new ExactSums(3, sums.bins.slice());
    again.add(2, 0.3);
    expect([0, 1, 2].map((i) => again.value(i))).toEqual([1.5, 0, sumOf([0.3, -0.1]).value(0)]);
    expect(sums.value(2)).toBe(-0.1);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -(2 ** 26) - 1, 1e300])('refuses %d', (number) => {
    const sums = new ExactSums(1);
    expect(() => sums.add(0, number)).toThrow('cannot be summed exactly');
    expect(sums.value(0)).toBe(0);
  });

  it('refuses bins and sums of another size', () => {
    expect(() => new ExactSums(2, new Float64Array(4))).toThrow('2 exact sums need 8 numbers; got 4');
    expect(() => new ExactSums(2).merge(new ExactSums(3))).toThrow('cannot merge 2 sums with 3');
  });
});
