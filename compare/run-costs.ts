import type { Contestant } from './contestants';
import type { RunRecord } from './run-record';
import type { ComparisonResults } from './summary';

/** What a contestant costs with one seed and learning rate. */
export interface RunCost {
  contestant: Contestant;
  /** Means over the seeds: to choose heads, to train, to test. */
  seconds: { selection: number; run: number; test: number };
  /** The most of any seed; null where it was not measured. */
  peakRssBytes: number | null;
}

/** In the order of the standings. @param runs those that count, one a contestant and seed */
export function costsOf({ standings }: ComparisonResults, runs: readonly RunRecord[]): RunCost[] {
  return standings.map(({ contestant, seconds }) => {
    const peaks = runs.flatMap((run) => (run.contestant === contestant && run.peakRssBytes ? [run.peakRssBytes] : []));
    return { contestant, seconds, peakRssBytes: peaks.length > 0 ? Math.max(...peaks) : null };
  });
}

/** Seconds of a run until it can be tested. */
export const trainedAfter = ({ seconds }: Pick<RunCost, 'seconds'>) => seconds.selection + seconds.run;
