import { invalidInput } from '../foundation/errors';
import { randomStream } from './random';

/** One of this many training rows is held out if no dev file is given. */
const HELD_OUT_OF = 10;

/** Groups of rows for a split. */
export interface Strata {
  /** Stratum of each row; each has its share in both parts. // [n] */
  of: ArrayLike<number>;
  /** Unit of each row, such as a query: its rows stay together. Default: one row each. // [n] */
  units?: ArrayLike<number>;
}

/** Rows that stay together. */
type Unit = number[];

/**
 * Splits off a tenth of the training rows, at least one, as the hold-out split. Each stratum has
 * its share of it; a stratum's last unit is never held out. A pure function of its arguments.
 * @returns row indices, ascending; each row is in one of the two
 * @throws HifiError INVALID_INPUT if there are fewer than two units
 */
export function holdOut(strata: Strata, seed: number): { train: Int32Array; dev: Int32Array } {
  const rows = strata.of.length;
  if (rows < 2) throw invalidInput('one training row cannot be split in two; give a dev file or more rows');
  const count = Math.max(1, Math.round(rows / HELD_OUT_OF));
  const units = shuffledUnits(strata, seed);
  if (units.length < 2) throw invalidInput('the training rows are of one query; give a dev file or more queries');
  const byStratum = grouped(units, ([row]) => strata.of[row]);
  const shares = apportioned(byStratum.map(sizeOf), count);
  const held = byStratum.flatMap((of, i) => firstUnits(of, shares[i]));
  const dev = Int32Array.from((held.length > 0 ? held : [units[0]]).flat()).sort();
  const inDev = new Set(dev);
  return { train: Int32Array.from({ length: rows }, (_, row) => row).filter((row) => !inDev.has(row)), dev };
}

/** Units in a seeded order. */
function shuffledUnits({ of, units }: Strata, seed: number): Unit[] {
  const order = randomStream(seed, 'hold-out').shuffle(of.length);
  if (!units) return Array.from(order, (row) => [row]);
  return grouped(Array.from(order), (row) => units[row]);
}

/** Groups items by a number, in the order of each group's first item. */
function grouped<T>(items: readonly T[], by: (item: T) => number): T[][] {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const group = groups.get(by(item));
    if (group) group.push(item);
    else groups.set(by(item), [item]);
  }
  return [...groups.values()];
}

/** The first units of a stratum that have this many rows together; never its last unit. */
function firstUnits(units: readonly Unit[], rows: number): Unit[] {
  let taken = 0;
  const end = units.findIndex((unit, i) => {
    if (taken >= rows || i === units.length - 1) return true;
    taken += unit.length;
    return false;
  });
  return units.slice(0, end);
}

const sizeOf = (units: readonly Unit[]) => units.reduce((sum, unit) => sum + unit.length, 0);

/**
 * Divides a count in proportion to sizes, by largest remainders; of equals the larger size first.
 */
function apportioned(sizes: readonly number[], count: number): number[] {
  const total = sizes.reduce((a, b) => a + b, 0);
  const exact = sizes.map((size) => (size * count) / total);
  const shares = exact.map(Math.floor);
  const left = count - shares.reduce((a, b) => a + b, 0);
  const remainders = sizes.map((size, i) => ({ i, size, remainder: exact[i] - shares[i] }));
  remainders.sort((a, b) => b.remainder - a.remainder || b.size - a.size || a.i - b.i);
  // A stratum of one row keeps it for the training.
  for (const { i } of remainders.filter(({ size }) => size > 1).slice(0, left)) shares[i]++;
  return shares;
}

/**
 * Draws the sample of an analysis (HiFi, section on head richness: n = 300 sequences). It has `n`
 * rows without replacement, or all if there are fewer, in the order drawn. A larger sample with the
 * same seed begins with the smaller one.
 */
export function drawSample(rows: number, n: number, seed: number): Int32Array {
  return randomStream(seed, 'sample').sample(rows, Math.min(n, rows));
}
