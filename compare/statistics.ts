/*
 * What may be said of a few runs of several contestants (Agarwal et al. 2021, "Deep reinforcement learning at the edge of the
 * statistical precipice", arXiv 2108.13264). Pure: imports nothing.
 */

/** Runs of one contestant: a list a task (stratum), a number a run. */
export type Strata = readonly (readonly number[])[];

export interface Interval {
  low: number;
  high: number;
}

/** How intervals are made: `draw(n)` is a whole number from 0 to n − 1, all equally likely. */
export interface Bootstrap {
  replicates: number;
  /** Share of the replicates within an interval, 0 … 1. */
  level: number;
  draw: (n: number) => number;
}

/**
 * The mean of the middle half: ⌊n/4⌋ of the smallest and of the largest values are left out (Agarwal et al. 2021, §4.3; the
 * trimmed mean at 0.25). Of fewer than four values it is the mean.
 *
 * @throws RangeError for no values
 */
export function interquartileMean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values to take the mean of');
  const cut = Math.floor(values.length / 4);
  const middle = values.toSorted((a, b) => a - b).slice(cut, values.length - cut);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/**
 * P(X > Y) of a run of either side drawn at random, ties counted half, the mean over tasks (Agarwal et al. 2021, §4.3): the
 * Mann–Whitney statistic U/(n·m).
 *
 * @returns 0 … 1
 * @throws RangeError for sides of different numbers of tasks, or one without runs
 */
export function probabilityOfImprovement(x: Strata, y: Strata): number {
  if (x.length !== y.length || [...x, ...y].some((runs) => runs.length === 0)) {
    throw new RangeError(`${x.length} and ${y.length} tasks; both sides need the same, with a run or more of each`);
  }
  const ofTask = x.map((runs, task) => {
    let wins = 0;
    for (const a of runs) for (const b of y[task]) wins += a > b ? 1 : a === b ? 0.5 : 0;
    return wins / (runs.length * y[task].length);
  });
  return ofTask.reduce((sum, share) => sum + share, 0) / ofTask.length;
}

/** Runs of one seed by two contestants, subtracted. */
export const differences = (x: Strata, y: Strata): number[][] =>
  x.map((runs, task) => runs.map((value, run) => value - y[task][run]));

/**
 * A percentile interval by the stratified bootstrap (Efron 1979; Agarwal et al. 2021, §4.1): the runs of each task are drawn anew
 * with replacement, the same runs of every side, so that what belongs together stays together.
 *
 * @param sides the strata of each side; all have the same tasks and runs
 * @returns undefined where there is but one run a task: nothing can be said then
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

/** Linear between two order statistics, as NumPy has it by default (Hyndman & Fan 1996, type 7). */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
