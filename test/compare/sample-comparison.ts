import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ComparisonParts } from '../../compare/comparison-page';
import { knownRuns } from '../../compare/known-runs';
import { METHODS, type Method } from '../../compare/methods';
import type { RunRecord } from '../../compare/run-record';
import { type ComparisonResults, summarise } from '../../compare/summary';
import { randomStream } from '../../data/random';

/** Stored results and runs of the comparison that the README reports. */
const COLA = path.join(__dirname, '../../docs/comparison/cola-1000');

/** MiniLM on 1,000 rows of CoLA: 11 methods, 3 seeds, 3 learning rates. */
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

/** Parameters of a made-up comparison. */
interface MadeUp {
  methods: readonly Method[];
  seeds: number;
  lrs?: number[];
  metric?: string;
  layers?: number;
  heads?: number;
  /** True for failed runs. */
  broken?: (method: Method, seed: number, lr: number) => boolean;
}

/** Comparison of random numbers, for sizes and failures that the real one lacks. */
function madeUpComparison({
  methods,
  seeds: count,
  lrs = [1e-3],
  metric = 'accuracy',
  layers = 2,
  heads = 4,
  broken = () => false,
}: MadeUp): ComparisonParts {
  const random = randomStream(1, 'made-up comparison');
  const seeds = Array.from({ length: count }, (_, seed) => seed);
  const record = (contestant: Method, seed: number, lr: number | null, tested: boolean): RunRecord => {
    const isBroken = lr !== null && broken(contestant, seed, lr);
    const none = contestant === 'logistic' || contestant === 'none';
    return {
      ...{ schemaVersion: 1, contestant, seed, lr, metric: isBroken ? '' : metric, rows: { train: 100, dev: 50 } },
      dev: isBroken ? null : { value: random.int(1000) / 1000, epoch: lr === null ? null : 2 },
      ...(isBroken && { failure: 'the loss of step 7 is not a number' }),
      test: isBroken || !tested ? null : { rows: 400, metrics: { [metric]: (random.int(2000) - 500) / 1500 } },
      heads: none ? [] : Array.from({ length: layers }, (_, layer): [number, number] => [layer, random.int(heads)]),
      ...{ trainableParameters: none ? 0 : 4000, taskHeadParameters: 1000, totalParameters: 100_000 },
      seconds: { selection: none ? 0 : 1.5, run: 3 + random.int(40) / 10, test: 1 },
      peakRssBytes: contestant === 'logistic' ? null : 600e6 + random.int(100) * 1e6,
    };
  };
  const ratesOf = (method: Method): (number | null)[] => (method === 'logistic' ? [null] : lrs);
  const search = methods.flatMap((method) => ratesOf(method).map((lr, i) => record(method, 0, lr, i === 0)));
  const later = seeds.slice(1).flatMap((seed) => methods.map((name) => record(name, seed, ratesOf(name)[0], true)));
  const chosen = [...search.filter((run) => run.lr === null || run.lr === lrs[0]), ...later];
  const failed = methods.flatMap((name) => chosen.find((run) => run.contestant === name && !run.test) ?? []);
  const counted = chosen.filter((run) => !failed.some(({ contestant }) => contestant === run.contestant));
  const { settings } = colaComparison().results;
  const reference = counted.some(({ contestant }) => contestant === 'random') ? 'random' : counted[0].contestant;
  return {
    results: summarise({ ...settings, lrs, searchSeed: 0 }, counted, reference, failed),
    runs: { counted, search: search.filter(({ lr }) => lr !== null), rungs: [] },
    model: { layers, heads },
    asked: {
      model: 'tiny',
      train: { path: 'rows.csv', textColumns: ['text'], labelColumn: 'y' },
      test: [],
      device: 'cpu',
    },
  };
}

/** Comparisons of each kind. */
export const COMPARISONS: Record<string, ComparisonParts> = {
  cola: colaComparison(),
  'one seed': madeUpComparison({ methods: ['hifi', 'random', 'logistic'], seeds: 1 }),
  regression: madeUpComparison({ methods: ['hifi', 'random', 'none'], seeds: 4, metric: 'pearson' }),
  failed: madeUpComparison({
    methods: ['hifi', 'random', 'movement'],
    seeds: 3,
    lrs: [1e-3, 1e-2],
    broken: (method, _, lr) => method === 'movement' || lr > 1e-3,
  }),
  'twenty seeds': madeUpComparison({ methods: ['hifi', 'random', 'gradient', 'logistic'], seeds: 20 }),
  'one method': madeUpComparison({ methods: ['hifi'], seeds: 3 }),
  'all of BERT-large': madeUpComparison({
    methods: METHODS,
    seeds: 5,
    lrs: [3e-4, 1e-3, 3e-3],
    layers: 24,
    heads: 16,
  }),
};
