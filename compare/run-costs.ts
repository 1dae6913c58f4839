import type { KnownRuns } from './known-runs';
import type { Method } from './methods';
import type { RunRecord } from './run-record';
import type { ComparisonResults } from './summary';

/** Cost of a method with one seed and learning rate. */
export interface RunCost {
  method: Method;
  /**
   * Means over the seeds: choosing heads, training, testing. `whole`: what a result took from
   * nothing, which is choosing heads once and training at every learning rate, with fewer epochs in
   * the rungs of a budget too, on the first seed.
   */
  seconds: { selection: number; run: number; test: number; whole: number };
  /** Maximum over the seeds; null if not measured. */
  peakRssBytes: number | null;
}

/** Costs in the order of the standings. */
export function costsOf({ standings }: ComparisonResults, { counted, search, rungs }: KnownRuns): RunCost[] {
  return standings.map(({ contestant, seconds }) => {
    const peaks = counted.flatMap((run) =>
      run.contestant === contestant && run.peakRssBytes ? [run.peakRssBytes] : [],
    );
    const own = (runs: readonly RunRecord[]) => runs.filter((run) => run.contestant === contestant);
    const total = (runs: readonly RunRecord[]) => runs.reduce((sum, run) => sum + run.seconds.run, 0);
    const tried = own(search);
    const trained = tried.length > 0 ? total(tried) : seconds.run;
    return {
      method: contestant,
      seconds: { ...seconds, whole: seconds.selection + trained + total(own(rungs)) },
      peakRssBytes: peaks.length > 0 ? Math.max(...peaks) : null,
    };
  });
}

/** Seconds of a run before its test. */
export const trainedAfter = ({ seconds }: Pick<RunCost, 'seconds'>) => seconds.selection + seconds.run;
