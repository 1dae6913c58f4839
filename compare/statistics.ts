/*
 * Statistics for comparing methods by a few runs each (Agarwal et al. 2021, "Deep reinforcement
 * learning at the edge of the statistical precipice", arXiv 2108.13264). Pure: imports nothing.
 */

/** Runs of one method: one list per task (stratum), one number per run. */
export type Strata = readonly (readonly number[])[];

export interface Interval {
  low: number;
  high: number;
}

/** Settings of a bootstrap. `draw(n)` returns a whole number from 0 to n − 1, uniformly. */
export interface Bootstrap {
  replicates: number;
  /** Share of the replicates inside an interval, 0 … 1. */
  level: number;
  draw: (n: number) => number;
}

/**
 * Mean of the middle half, without the ⌊n/4⌋ smallest and ⌊n/4⌋ largest values: the trimmed mean at
 * 0.25 (Agarwal et al. 2021, §4.3). Of fewer than four values it is the mean.
 *
 * @throws RangeError for an empty list
 */
export function interquartileMean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the list of values is empty; a mean needs at least one value');
  const cut = Math.floor(values.length / 4);
  const middle = values.toSorted((a, b) => a - b).slice(cut, values.length - cut);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/**
 * P(X > Y) for a random run of either side, with ties as half, averaged over tasks (Agarwal et al.
 * 2021, §4.3). It is the Mann–Whitney statistic U/(n·m).
 *
 * @returns 0 … 1
 * @throws RangeError for sides with different numbers of tasks, or a task without runs
 */
export function probabilityOfImprovement(x: Strata, y: Strata): number {
  if (x.length !== y.length || [...x, ...y].some((runs) => runs.length === 0)) {
    throw new RangeError(
      `the sides have ${x.length} and ${y.length} tasks; both need the same tasks, with at least one run each`,
    );
  }
  const ofTask = x.map((runs, task) => {
    let wins = 0;
    for (const a of runs) for (const b of y[task]) wins += a > b ? 1 : a === b ? 0.5 : 0;
    return wins / (runs.length * y[task].length);
  });
  return ofTask.reduce((sum, share) => sum + share, 0) / ofTask.length;
}

/** Differences of two methods, seed by seed. */
export const differences = (x: Strata, y: Strata): number[][] =>
  x.map((runs, task) => runs.map((value, run) => value - y[task][run]));

/**
 * Percentile interval by the stratified bootstrap (Efron 1979; Agarwal et al. 2021, §4.1). The runs
 * of each task are drawn with replacement. Every side uses the same draws, so pairs stay together.
 *
 * @param sides strata of each side; all have the same tasks and runs
 * @returns undefined if each task has a single run, which allows no interval
 */
export function bootstrapInterval(
  sides: readonly Strata[],
  statistic: (...sides: Strata[]) => number,
  { replicates, level, draw }: Bootstrap,
): Interval | undefined {
  if (sides[0].every((runs) => runs.length < 2)) return undefined;
  const values = Float64Array.from({ length: replicates }, () => {
    const drawn = sides[0].map((runs) => runs.map(() => draw(runs.length)));
    return statistic(...sides.map((side) => side.map((runs, task) => drawn[task].map((run) => runs[run]))));
  }).sort();
  return { low: quantile(values, (1 - level) / 2), high: quantile(values, (1 + level) / 2) };
}

/** Quantile by linear interpolation, NumPy's default (Hyndman & Fan 1996, type 7). */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
