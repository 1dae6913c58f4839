import { type RunRecord, readRun } from './run-record';
import type { ComparisonResults } from './summary';

/** The runs behind a comparison's results. */
export interface KnownRuns {
  /** Those that count: one a contestant and seed. */
  counted: RunRecord[];
  /** Those of the first seed, one a contestant and learning rate. */
  search: RunRecord[];
}

/** Reads from `runs/` in `out` what the results were made of; a file that is gone is left out. */
export function knownRuns(out: string, { settings, seeds, standings, failed = [] }: ComparisonResults): KnownRuns {
  const found = (records: (RunRecord | undefined)[]) => records.filter((record) => record !== undefined);
  const tuned = [...standings.filter(({ lr }) => lr !== null), ...failed].map(({ contestant }) => contestant);
  return {
    counted: found(
      standings.flatMap(({ contestant, lr }) => seeds.map((seed) => readRun(out, { contestant, seed, lr }))),
    ),
    search: found(
      tuned.flatMap((contestant) =>
        settings.lrs.map((lr) => readRun(out, { contestant, seed: settings.searchSeed, lr })),
      ),
    ),
  };
}
