import { invalidInput } from '../foundation/errors';
import { randomStream } from './random';

/** One of this many training rows is held out if no dev file is given. */
const HELD_OUT_OF = 10;

/**
 * Splits off a tenth of the training rows, at least one, as the hold-out split. A pure function of
 * `(rows, seed)`.
 * @returns row indices, ascending; each row is in one of the two
 * @throws HifiError INVALID_INPUT if there are fewer than two rows
 */
export function holdOut(rows: number, seed: number): { train: Int32Array; dev: Int32Array } {
  if (rows < 2) throw invalidInput('one training row cannot be split in two; give a dev file or more rows');
  const order = randomStream(seed, 'hold-out').shuffle(rows);
  const count = Math.max(1, Math.round(rows / HELD_OUT_OF));
  return { train: order.slice(count).sort(), dev: order.slice(0, count).sort() };
}

/**
 * Draws the sample of an analysis (HiFi, section on head richness: n = 300 sequences). It has `n`
 * rows without replacement, or all if there are fewer, in the order drawn. A larger sample with the
 * same seed begins with the smaller one.
 */
export function drawSample(rows: number, n: number, seed: number): Int32Array {
  return randomStream(seed, 'sample').sample(rows, Math.min(n, rows));
}
