import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ComparisonParts } from '../../compare/comparison-page';
import { CONTESTANTS, type Contestant } from '../../compare/contestants';
import { knownRuns } from '../../compare/known-runs';
import type { RunRecord } from '../../compare/run-record';
import { type ComparisonResults, summarise } from '../../compare/summary';
import { randomStream } from '../../data/random';

/** The comparison that the README tells of: its results and its runs, as they were written. */
const COLA = path.join(__dirname, '../../docs/comparison/cola-1000');

/** MiniLM on 1,000 rows of CoLA: 11 contestants, 3 seeds, 3 learning rates. */
function colaComparison(): ComparisonParts {
  const results: ComparisonResults = JSON.parse(fs.readFileSync(path.join(COLA, 'results.json'), 'utf8'));
  const test = ['dev.tsv', 'dev_out_of_domain.tsv'].map((name) => ({ path: name, task: 'cola' as const }));
  return {
    results,
    runs: knownRuns(COLA, results),
    model: { layers: 6, heads: 12 },
    asked: { model: 'all-MiniLM-L6-v2', train: { path: 'train.tsv', task: 'cola' }, test, device: 'auto' },
  };
}

/** What a made-up comparison is made of. */
interface MadeUp {
  contestants: readonly Contestant[];
  seeds: number;
  lrs?: number[];
  metric?: string;
  layers?: number;
  heads?: number;
  /** Runs that broke off. */
  broken?: (contestant: Contestant, seed: number, lr: number) => boolean;
}

/** A comparison of drawn numbers, for the sizes and mishaps that the real one does not have. */
function madeUpComparison({
  contestants,
  seeds: count,
  lrs = [1e-3],
  metric = 'accuracy',
  layers = 2,
  heads = 4,
  broken = () => false,
}: MadeUp): ComparisonParts {
  const random = randomStream(1, 'made-up comparison');
  const seeds = Array.from({ length: count }, (_, seed) => seed);
  const record = (contestant: Contestant, seed: number, lr: number | null, tested: boolean): RunRecord => {
    const cut = lr !== null && broken(contestant, seed, lr);
    const none = contestant === 'logistic' || contestant === 'none';
    return {
      ...{ schemaVersion: 1, contestant, seed, lr, metric: cut ? '' : metric, rows: { train: 100, dev: 50 } },
      dev: cut ? null : { value: random.int(1000) / 1000, epoch: lr === null ? null : 2 },
      ...(cut && { failure: 'the loss of step 7 is not a number' }),
      test: cut || !tested ? null : { rows: 400, metrics: { [metric]: (random.int(2000) - 500) / 1500 } },
      heads: none ? [] : Array.from({ length: layers }, (_, layer): [number, number] => [layer, random.int(heads)]),
      ...{ trainableParameters: none ? 0 : 4000, taskHeadParameters: 1000, totalParameters: 100_000 },
      seconds: { selection: none ? 0 : 1.5, run: 3 + random.int(40) / 10, test: 1 },
      peakRssBytes: contestant === 'logistic' ? null : 600e6 + random.int(100) * 1e6,
    };
  };
  const ratesOf = (contestant: Contestant): (number | null)[] => (contestant === 'logistic' ? [null] : lrs);
  const search = contestants.flatMap((contestant) =>
    ratesOf(contestant).map((lr, i) => record(contestant, 0, lr, i === 0)),
  );
  const later = seeds.slice(1).flatMap((seed) => contestants.map((name) => record(name, seed, ratesOf(name)[0], true)));
  const chosen = [...search.filter((run) => run.lr === null || run.lr === lrs[0]), ...later];
  const failed = contestants.flatMap((name) => chosen.find((run) => run.contestant === name && !run.test) ?? []);
  const counted = chosen.filter((run) => !failed.some(({ contestant }) => contestant === run.contestant));
  const { settings } = colaComparison().results;
  const reference = counted.some(({ contestant }) => contestant === 'random') ? 'random' : counted[0].contestant;
  return {
    results: summarise({ ...settings, lrs, searchSeed: 0 }, counted, reference, failed),
    runs: { counted, search: search.filter(({ lr }) => lr !== null) },
    model: { layers, heads },
    asked: {
      model: 'tiny',
      train: { path: 'rows.csv', textColumns: ['text'], labelColumn: 'y' },
      test: [],
      device: 'cpu',
    },
  };
}

/** A comparison of each kind that a page may be of. */
export const COMPARISONS: Record<string, ComparisonParts> = {
  cola: colaComparison(),
  'one seed': madeUpComparison({ contestants: ['hifi', 'random', 'logistic'], seeds: 1 }),
  regression: madeUpComparison({ contestants: ['hifi', 'random', 'none'], seeds: 4, metric: 'pearson' }),
  failed: madeUpComparison({
    contestants: ['hifi', 'random', 'movement'],
    seeds: 3,
    lrs: [1e-3, 1e-2],
    broken: (contestant, _, lr) => contestant === 'movement' || lr > 1e-3,
  }),
  'twenty seeds': madeUpComparison({ contestants: ['hifi', 'random', 'gradient', 'logistic'], seeds: 20 }),
  'one contestant': madeUpComparison({ contestants: ['hifi'], seeds: 3 }),
  'all of BERT-large': madeUpComparison({
    contestants: CONTESTANTS,
    seeds: 5,
    lrs: [3e-4, 1e-3, 3e-3],
    layers: 24,
    heads: 16,
  }),
};
