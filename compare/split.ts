import { randomStream } from '../data/random';
import type { Strata } from '../data/split';
import { invalidInput } from '../foundation/errors';

/** Number of training rows: in all, or per class. */
export type TrainingSize = { rows: number } | { rowsPerClass: number };

/** Default for the most dev rows. */
const MOST_DEV_ROWS = 500;

/** Groups of rows to draw from. */
export interface DrawnStrata extends Strata {
  /** Describes the rows of a stratum in a message. Default: by its number. */
  rowsOf?: (stratum: number) => string;
}

/** A run's rows of the training file, as indices. */
export interface Split {
  train: Int32Array;
  /**
   * Rows that choose the epoch and a regression's penalty; on the first seed also the learning
   * rate.
   */
  dev: Int32Array;
  /** Rows that no training or choice uses. */
  test: Int32Array;
}

/** Seed of a run, and the seed whose dev rows choose the learning rate of all. */
export interface Seeds {
  seed: number;
  searchSeed: number;
}

/**
 * Draws a run's rows without replacement; each seed gives another draw. There are as many dev rows
 * as training rows, at most 500; with `rowsPerClass` equally many of each class (Gao et al. 2021,
 * §3). All remaining rows are test rows, except those that chose the learning rate. A pure function
 * of its arguments.
 *
 * @param strata class of each row, a single class for a number; units are never divided, so that
 *   a part may have more rows than asked for
 * @param devRows number of dev rows, instead of the default; with `rowsPerClass` divided among the
 *   classes
 * @throws HifiError INVALID_INPUT for too few rows, or fewer dev rows than classes
 */
export function splitRows(
  strata: DrawnStrata,
  size: TrainingSize,
  { seed, searchSeed }: Seeds,
  devRows?: number,
): Split {
  const split = drawnRows(strata, size, seed, devRows);
  if (seed === searchSeed) return split;
  const chose = new Set(drawnRows(strata, size, searchSeed, devRows).dev);
  return { ...split, test: split.test.filter((row) => !chose.has(row)) };
}

/** Training rows, dev rows and all remaining rows. */
function drawnRows(
  { of: classes, units, rowsOf = (name) => `rows of class ${name}` }: DrawnStrata,
  size: TrainingSize,
  seed: number,
  devRows?: number,
): Split {
  const drawn = randomStream(seed, 'compare').shuffle(classes.length);
  const order = units ? byUnit(drawn, units) : drawn;
  if ('rows' in size) {
    const dev = devRows ?? Math.min(size.rows, MOST_DEV_ROWS);
    const wanted = size.rows + dev;
    if (wanted > classes.length) {
      throw invalidInput(
        `--rows is ${size.rows}, and ${dev} more are needed as dev rows; the training file has ${classes.length} rows`,
      );
    }
    const end = (least: number) => unitEnd(order, units, least);
    const train = end(size.rows);
    const used = end(train + dev);
    return { train: order.slice(0, train), dev: order.slice(train, used), test: order.slice(used).sort() };
  }
  const { rowsPerClass: k } = size;
  if (units) throw invalidInput('--rows-per-class needs classes, which this problem has none of; give --rows');
  const byClass = new Map<number, number[]>();
  for (const row of order) {
    const rows = byClass.get(classes[row]);
    if (rows) rows.push(row);
    else byClass.set(classes[row], [row]);
  }
  const count = byClass.size;
  const perClass = Math.floor((devRows ?? Math.max(count, Math.min(k * count, MOST_DEV_ROWS))) / count);
  if (perClass === 0)
    throw invalidInput(`--dev-rows is ${devRows}; with ${count} classes it must be at least ${count}`);
  const [least, { length }] = [...byClass].reduce((a, b) => (b[1].length < a[1].length ? b : a));
  if (length < k + perClass) {
    throw invalidInput(
      `--rows-per-class is ${k}, and ${perClass} more are needed as dev rows; the training file has ${length} ${rowsOf(least)}`,
    );
  }
  const part = (from: number, to?: number) =>
    Int32Array.from([...byClass.keys()].sort((a, b) => a - b).flatMap((name) => byClass.get(name)!.slice(from, to)));
  return { train: part(0, k), dev: part(k, k + perClass), test: part(k + perClass).sort() };
}

/** Rows of each unit together, the units in the order of their first rows. */
function byUnit(order: Int32Array, units: ArrayLike<number>): Int32Array {
  const place = new Map<number, number>();
  for (const row of order) if (!place.has(units[row])) place.set(units[row], place.size);
  return Int32Array.from(Array.from(order).sort((a, b) => place.get(units[a])! - place.get(units[b])!));
}

/** Number of rows of the order, at least this many, after which a unit ends. */
function unitEnd(order: Int32Array, units: ArrayLike<number> | undefined, least: number): number {
  let end = Math.min(least, order.length);
  while (units && end < order.length && units[order[end]] === units[order[end - 1]]) end++;
  return end;
}
