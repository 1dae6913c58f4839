import type { Method } from './methods';
import type { RunRecord } from './run-record';
import type { ComparisonResults } from './summary';

/** Cost of a method with one seed and learning rate. */
export interface RunCost {
  method: Method;
  /** Means over the seeds: choosing heads, training, testing. */
  seconds: { selection: number; run: number; test: number };
  /** Maximum over the seeds; null if not measured. */
  peakRssBytes: number | null;
}

/** Costs in the order of the standings. @param runs runs that count, one per method and seed */
export function costsOf({ standings }: ComparisonResults, runs: readonly RunRecord[]): RunCost[] {
  return standings.map(({ contestant, seconds }) => {
    const peaks = runs.flatMap((run) => (run.contestant === contestant && run.peakRssBytes ? [run.peakRssBytes] : []));
    return { method: contestant, seconds, peakRssBytes: peaks.length > 0 ? Math.max(...peaks) : null };
  });
}

/** Seconds of a run before its test. */
export const trainedAfter = ({ seconds }: Pick<RunCost, 'seconds'>) => seconds.selection + seconds.run;
