import { percentDigits } from '../foundation/percent';
import { type Cell, htmlTable } from '../report/html';
import { grouped, settingsText } from '../report/sentences';
import type { AskedComparison } from './command-line';
import type { KnownRuns } from './known-runs';
import type { Method } from './methods';
import { costsOf, trainedAfter } from './run-costs';
import type { ComparisonResults } from './summary';
import { testedRows } from './tables';

/** Table of the test values by seed. */
export function seedsTable({ standings, seeds, metric }: ComparisonResults): string {
  const rows = standings.map(({ contestant, values }): Cell[] => [
    contestant,
    ...seeds.map((_, i) => values[i]?.toFixed(4).replace('-', '−') ?? '–'),
  ]);
  return htmlTable(rows, [`test ${metric}`, ...seeds.map((seed) => `seed ${seed}`)]);
}

/** Table of a method's answers beside those of each other method, seed by seed. */
export function answersTable({ answers = [], seeds }: ComparisonResults, method: Method): string {
  const rows = answers.flatMap(({ first, second, seeds: compared }): Cell[][] => {
    if (first !== method && second !== method) return [];
    const cells = seeds.map((seed) => {
      const found = compared.find((each) => each.seed === seed);
      if (!found) return '–';
      const { onlyFirst, onlySecond, p } = found;
      const [own, other] = first === method ? [onlyFirst, onlySecond] : [onlySecond, onlyFirst];
      return `${grouped(own)} : ${grouped(other)}, p ${p < 0.0001 ? '< 0.0001' : p.toFixed(4)}`;
    });
    return [[first === method ? second : first, ...cells]];
  });
  return htmlTable(rows, [`${method} : other`, ...seeds.map((seed) => `seed ${seed}`)]);
}

/** Table of parameters, seconds and memory. */
export function costTable(results: ComparisonResults, runs: KnownRuns): string {
  const costs = costsOf(results, runs);
  const rows = results.standings.map((standing, i): Cell[] => {
    const { seconds, peakRssBytes } = costs[i];
    return [
      standing.contestant,
      grouped(standing.trainableParameters),
      `${percentDigits(standing.share, 2)} %`,
      grouped(standing.taskHeadParameters),
      ...[seconds.selection, seconds.run, trainedAfter(costs[i]), seconds.whole, seconds.test].map((value) =>
        value.toFixed(1),
      ),
      peakRssBytes === null ? '–' : grouped(Math.round(peakRssBytes / 1e6)),
    ];
  });
  return htmlTable(rows, [
    'method',
    'tuned',
    'share of the base',
    'task head',
    'choosing, s',
    'training, s',
    'both, s',
    'with all rates, s',
    'test, s',
    'memory, MB',
  ]);
}

/** Table of hashes and options, from which the comparison can be repeated. */
export function repeatTable(
  { settings, seeds, rows, bootstrap, standings }: ComparisonResults,
  { train, test }: AskedComparison,
  { counted }: KnownRuns,
): string {
  const { model, data, size, tune, lrs, searchSeed, training, samples } = settings;
  const hashes = model.files.filter((hash) => hash !== null);
  const penalties = counted.flatMap(({ contestant, seed, c }) =>
    c === undefined ? [] : [`${contestant}, seed ${seed}: C = ${c}`],
  );
  return htmlTable([
    ['model', model.name],
    ['weights, SHA-256', model.sha256],
    ["the model's other files, SHA-256", hashes.join(' ')],
    ['training file', train.path],
    ['training file, SHA-256', data.train],
    ...test.map(({ path }, i): Cell[] => [`test file ${path}, SHA-256`, data.test[i]]),
    ['columns', settingsText(data.columns)],
    ['rows', settingsText({ ...settings.rows, train: rows.train, dev: rows.dev, test: testedRows(rows) })],
    ['selection', settingsText({ ...size, tune, samples })],
    ['training', settingsText(training)],
    ['learning rates', `${lrs.join(', ')}, tried on seed ${searchSeed}`],
    [
      'chosen learning rates',
      standings.flatMap(({ contestant, lr }) => (lr === null ? [] : [`${contestant} ${lr}`])).join(', ') || '–',
    ],
    ...(penalties.length > 0 ? [['inverse penalty', penalties.join('; ')]] : []),
    ['seeds', seeds.join(', ')],
    ['bootstrap', settingsText(bootstrap)],
  ]);
}
