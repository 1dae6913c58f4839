import { type RunRecord, readRun, searchedRates } from './run-record';
import type { ComparisonResults } from './summary';

/** Runs behind a comparison's results. */
export interface KnownRuns {
  /** Runs that count: one per method and seed. */
  counted: RunRecord[];
  /** Runs of the first seed: one per method and learning rate, by that rate. */
  search: RunRecord[];
}

/** Reads the runs behind the results from `runs/` in `out`; missing files are left out. */
export function knownRuns(out: string, { settings, seeds, standings, failed = [] }: ComparisonResults): KnownRuns {
  const found = (records: (RunRecord | undefined)[]) => records.filter((record) => record !== undefined);
  const tuned = [...standings.filter(({ lr }) => lr !== null), ...failed].map(({ contestant }) => contestant);
  return {
    counted: found(
      standings.flatMap(({ contestant, lr }) => seeds.map((seed) => readRun(out, { contestant, seed, lr }))),
    ),
    search: found(
      tuned.flatMap((contestant) =>
        searchedRates(out, contestant, settings.searchSeed).map((lr) =>
          readRun(out, { contestant, seed: settings.searchSeed, lr }),
        ),
      ),
    ),
  };
}
