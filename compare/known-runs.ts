import { type RunRecord, readRun, rungFolder, searchedRates } from './run-record';
import type { ComparisonResults } from './summary';

/** Runs behind a comparison's results. */
export interface KnownRuns {
  /** Runs that count: one per method and seed. */
  counted: RunRecord[];
  /** Runs of the first seed: one per method and learning rate, by that rate. */
  search: RunRecord[];
  /** Runs of a budget's rungs on the first seed, with fewer epochs; none without a budget. */
  rungs: RunRecord[];
}

/** Reads the runs behind the results, from the comparison's folder; missing files are left out. */
export function knownRuns(
  out: string,
  { settings, seeds, standings, failed = [], budget }: ComparisonResults,
): KnownRuns {
  const found = (records: (RunRecord | undefined)[]) => records.filter((record) => record !== undefined);
  const tuned = [...standings.filter(({ lr }) => lr !== null), ...failed].map(({ contestant }) => contestant);
  const searched = (folder: string) =>
    found(
      tuned.flatMap((contestant) =>
        searchedRates(folder, contestant, settings.searchSeed).map((lr) =>
          readRun(folder, { contestant, seed: settings.searchSeed, lr }),
        ),
      ),
    );
  return {
    counted: found(
      standings.flatMap(({ contestant, lr }) => seeds.map((seed) => readRun(out, { contestant, seed, lr }))),
    ),
    search: searched(out),
    rungs: (budget?.rungs ?? []).flatMap(({ epochs }) => searched(rungFolder(out, epochs))),
  };
}
