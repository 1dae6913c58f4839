import { invalidInput } from '../foundation/errors';
import { randomStream } from './random';

/** Of each `HELD_OUT_OF` training rows one is held out where no dev file is given. */
const HELD_OUT_OF = 10;

/**
 * Splits the training rows where there is no dev file: a seeded tenth (rounded, at least one row) is held out. A pure
 * function of `(rows, seed)`.
 * @returns indices of the rows, ascending; each row is in one of the two
 * @throws HifiError INVALID_INPUT when there are fewer than two rows
 */
export function holdOut(rows: number, seed: number): { train: Int32Array; dev: Int32Array } {
  if (rows < 2) throw invalidInput('one training row cannot be split in two; give a dev file or more rows');
  const order = randomStream(seed, 'hold-out').shuffle(rows);
  const held = Math.max(1, Math.round(rows / HELD_OUT_OF));
  return { train: order.slice(held).sort(), dev: order.slice(0, held).sort() };
}

/**
 * The analysis's sample (paper's section on head richness: n = 300 sequences): `n` rows drawn without replacement, or all
 * where there are fewer, in the order in which they are used. A larger sample of the same seed begins with the smaller.
 */
export function drawSample(rows: number, n: number, seed: number): Int32Array {
  return randomStream(seed, 'sample').sample(rows, Math.min(n, rows));
}
