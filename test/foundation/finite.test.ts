import { firstNotFinite } from '../../foundation/finite';

const FINITE = [0, -0, 1, -1.5, 2 ** -149, -(2 ** -126), 3.4028234663852886e38, -3.4028234663852886e38];

test('finite numbers of every size, none and a part of an array', () => {
  const values = Float32Array.from([...FINITE, Number.NaN]);
  expect(firstNotFinite(values.subarray(0, FINITE.length))).toBe(-1);
  expect(firstNotFinite(new Float32Array(0))).toBe(-1);
  expect(firstNotFinite(values.subarray(2))).toBe(FINITE.length - 2);
});

test.each([0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff])('the bits %d', (bits) => {
  for (let at = 0; at < FINITE.length; at++) {
    const values = Float32Array.from(FINITE);
    new Uint32Array(values.buffer)[at] = bits;
    expect(firstNotFinite(values)).toBe(at);
  }
});
