import { randomStream } from '../data/random';
import { invalidInput } from '../foundation/errors';

/** How many rows a run trains on: so many in all, or so many of each class. */
export type TrainingSize = { rows: number } | { rowsPerClass: number };

/** Most dev rows unless told otherwise. */
const MOST_DEV_ROWS = 500;

/** A run's rows of the training file, as indices. */
export interface Split {
  train: Int32Array;
  /**
   * Rows that choose the epoch and a regression's penalty, and on the first seed the learning rate.
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
 * Draws a run's rows without replacement, another draw for each seed: those to train on, as many
 * others to choose by (at most 500; with `rowsPerClass` of each class alike, Gao et al. 2021, §3),
 * and all remaining rows to test on, except those that chose the learning rate. A pure function of
 * its arguments.
 *
 * @param classes each row's class; one class for a regression // [n]
 * @param devRows in the place of as many as the training rows; with `rowsPerClass` shared out
 *   between the classes
 * @throws HifiError INVALID_INPUT where there are too few rows, or dev rows for the classes
 */
export function splitRows(
  classes: ArrayLike<number>,
  size: TrainingSize,
  { seed, searchSeed }: Seeds,
  devRows?: number,
): Split {
  const split = drawnRows(classes, size, seed, devRows);
  if (seed === searchSeed) return split;
  const chose = new Set(drawnRows(classes, size, searchSeed, devRows).dev);
  return { ...split, test: split.test.filter((row) => !chose.has(row)) };
}

/** Training rows, dev rows and all others. */
function drawnRows(classes: ArrayLike<number>, size: TrainingSize, seed: number, devRows?: number): Split {
  const order = randomStream(seed, 'compare').shuffle(classes.length);
  if ('rows' in size) {
    const dev = devRows ?? Math.min(size.rows, MOST_DEV_ROWS);
    const wanted = size.rows + dev;
    if (wanted > classes.length) {
      throw invalidInput(
        `--rows is ${size.rows}, and ${dev} more are needed to choose by; the training file has ${classes.length} rows`,
      );
    }
    return { train: order.slice(0, size.rows), dev: order.slice(size.rows, wanted), test: order.slice(wanted).sort() };
  }
  const { rowsPerClass: k } = size;
  const byClass = new Map<number, number[]>();
  for (const row of order) {
    const rows = byClass.get(classes[row]);
    if (rows) rows.push(row);
    else byClass.set(classes[row], [row]);
  }
  const count = byClass.size;
  const perClass = Math.floor((devRows ?? Math.max(count, Math.min(k * count, MOST_DEV_ROWS))) / count);
  if (perClass === 0) throw invalidInput(`--dev-rows is ${devRows}; of ${count} classes it must be at least ${count}`);
  for (const [, rows] of byClass) {
    if (rows.length < k + perClass) {
      throw invalidInput(
        `--rows-per-class is ${k}, and ${perClass} more are needed to choose by; a class of the training file has ${rows.length} rows`,
      );
    }
  }
  const part = (from: number, to?: number) =>
    Int32Array.from([...byClass.keys()].sort((a, b) => a - b).flatMap((name) => byClass.get(name)!.slice(from, to)));
  return { train: part(0, k), dev: part(k, k + perClass), test: part(k + perClass).sort() };
}
