import type { Logits } from '../../delta/logits';
import { drawnRows, largestDifference } from '../../delta/onnx-check';
import { readModelConfig } from '../../model/config';
import { FIXTURES } from '../support/deltas';

/**
 * Two logits per row, far apart in even rows and close in odd ones; as many rows as the check
 * draws.
 */
const ROWS = drawnRows(readModelConfig(`${FIXTURES}/tiny-bert`), true).length;
const two = (row: number): [number, number] => (row % 2 === 0 ? [2, -2] : [0.01, 0]);
const logitsOf = (outputs: number, row: (row: number) => number[]): Logits => ({
  values: Float32Array.from(Array.from({ length: ROWS }, (_, i) => row(i)).flat()),
  outputs,
});
const trainer = logitsOf(2, two);
const turned = (row: number) => [...two(row)].reverse();
const message =
  /^the ONNX model \(q8\) is not exact, so it was not written: it changes the answer to \d+ of the 16 rows/;

describe('the check of an ONNX file', () => {
  it('returns the largest difference of two logits', () => {
    const found = logitsOf(2, (row) => (row === 6 ? [2, -1.5] : two(row)));
    expect(largestDifference('q8', found, trainer)).toBeCloseTo(0.5, 6);
  });

  it('limits float32 to 1e-4, relative for larger logits', () => {
    const off = (by: number) => logitsOf(2, (row) => two(row).map((logit) => logit + by));
    expect(largestDifference('fp32', off(0.9e-4), trainer)).toBeLessThan(1e-4);
    expect(() => largestDifference('fp32', off(3e-4), trainer)).toThrow(/\(fp32\).* row 0 of the check has the logit/);
    expect(largestDifference('fp16', off(3e-4), trainer)).toBeGreaterThan(2e-4);
  });

  it('refuses a logit that is not finite, in every type', () => {
    const broken = logitsOf(2, (row) => (row === 3 ? [Number.NaN, 0] : two(row)));
    for (const dtype of ['fp32', 'fp16', 'q8'] as const) {
      expect(() => largestDifference(dtype, broken, trainer)).toThrow('row 3 of the check has the logit NaN');
    }
  });

  it('lets a rounded file change close answers, and a quarter of the clear ones', () => {
    const close = logitsOf(2, (row) => (row % 2 === 1 ? turned(row) : two(row)));
    expect(largestDifference('q8', close, trainer)).toBeCloseTo(0.01, 6);
    const clear = (most: number) => logitsOf(2, (row) => (row % 2 === 0 && row < 2 * most ? turned(row) : two(row)));
    expect(largestDifference('q8', clear(4), trainer)).toBe(4);
    expect(() => largestDifference('q8', clear(5), trainer)).toThrow(message);
  });

  it('compares a regression by the side of the median', () => {
    const numbers = logitsOf(1, (row) => [row]);
    expect(
      largestDifference(
        'q8',
        logitsOf(1, (row) => [row + 0.4]),
        numbers,
      ),
    ).toBeCloseTo(0.4, 5);
    expect(() =>
      largestDifference(
        'q8',
        logitsOf(1, (row) => [-row]),
        numbers,
      ),
    ).toThrow(message);
    expect(() =>
      largestDifference(
        'q8',
        logitsOf(1, () => [3]),
        numbers,
      ),
    ).toThrow(message);
  });
});
