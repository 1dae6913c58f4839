import * as fc from 'fast-check';
import { widenBF16, widenF16 } from '../../model/half-precision';
import { roundTo } from '../../model/rounding';

const halves = (bytes: Uint8Array) => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);

describe.each([
  ['F16', widenF16, 0x7c00, 2 ** 16],
  ['BF16', widenBF16, 0x7f80, 2 ** 128],
] as const)('rounding to %s', (dtype, widen, infinity, beyond) => {
  test('restores all of its 65,536 numbers, also NaN', () => {
    expect(Buffer.compare(roundTo(dtype, widen(all)), new Uint8Array(all.buffer))).toBe(0);
  });

  test('rounds to the nearest number, ties to even', () => {
    // Positive finite numbers are in the order of their bits; the next counts as 2^16 or 2^128.
    const values = Array.from(widen(all.slice(0, infinity)));
    const at = (bits: number) => (bits === infinity ? beyond : values[bits]);
    const check = (value: number) => {
      const [bits] = halves(roundTo(dtype, Float32Array.of(value)));
      const distance = Math.abs(at(bits) - value);
      for (const other of [bits - 1, bits + 1]) {
        if (other < 0 || other > infinity) continue;
        const farther = Math.abs(at(other) - value);
        expect(distance < farther || (distance === farther && bits % 2 === 0)).toBe(true);
      }
      expect(halves(roundTo(dtype, Float32Array.of(-value)))[0]).toBe(bits | 0x8000);
    };
    for (const bits of [0, 1, 2, 3, 0x3fe, 0x3ff, 0x400, 0x401, 0x3c00, infinity - 2, infinity - 1]) {
      const middle = (at(bits) + at(bits + 1)) / 2;
      for (const value of [at(bits), middle, middle * (1 - 2 ** -20), middle * (1 + 2 ** -20)]) {
        check(Math.min(Math.fround(value), 3.4e38));
      }
    }
    fc.assert(
      fc.property(fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }), (x) => {
        if (x < beyond) check(x);
      }),
    );
    fc.assert(fc.property(fc.float({ min: 0, max: Math.fround(1e-4), noNaN: true }), check));
  });
});

test('F32 is unchanged', () => {
  expect(Buffer.from(roundTo('F32', Float32Array.of(1, -0))).toString('hex')).toBe('0000803f00000080');
});
