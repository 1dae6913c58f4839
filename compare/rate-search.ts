import { isBetter } from '../delta/metrics';
import type { RunRecord } from './run-record';

/** Least learning rates of a list whose ends are searched beyond, and most rates beyond them. */
const [GRID, MOST_FURTHER] = [3, 3];

/**
 * Learning rates to try after those of some runs: all of the list at first, then one at a time
 * beyond an end of the grid that is the best so far, in the ratio of the two last rates at that
 * end. Lists of one or two rates are choices, not grids, and have no further rates.
 *
 * @param lrs rates of the list
 * @param tried runs with the rates tried so far
 * @returns rates to try next; none once the search has ended
 */
export function ratesAfter(lrs: readonly number[], tried: readonly Pick<RunRecord, 'lr' | 'dev'>[]): number[] {
  if (tried.length < lrs.length) return lrs.slice(tried.length);
  if (lrs.length < GRID || tried.length >= lrs.length + MOST_FURTHER) return [];
  const rates = tried.map(({ lr }) => lr as number).toSorted((a, b) => a - b);
  const best = bestOf(tried)?.lr;
  const beyond = (end: number, neighbour: number) => [Number((end ** 2 / neighbour).toPrecision(3))];
  if (best === rates[0]) return beyond(rates[0], rates[1]);
  if (best === rates.at(-1)) return beyond(rates.at(-1)!, rates.at(-2)!);
  return [];
}

/** Best run on the dev rows, the first of equals; undefined if every learning rate failed. */
export const bestOf = <Run extends Pick<RunRecord, 'dev'>>(records: readonly Run[]): Run | undefined =>
  records.reduce<Run | undefined>(
    (so, record) => (record.dev && (!so?.dev || isBetter(record.dev, so.dev)) ? record : so),
    undefined,
  );
