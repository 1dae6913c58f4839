import * as fs from 'node:fs';
import { comparisonCommand } from '../../compare/command-line';
import { renderComparison } from '../../compare/comparison-page';
import { metricOverParameters } from '../../compare/figures';
import { answersTable } from '../../compare/html-tables';
import { knownRuns } from '../../compare/known-runs';
import { costsOf } from '../../compare/run-costs';
import { type RunRecord, rungFolder, writeRun } from '../../compare/run-record';
import { type ComparisonSettings, differenceOf, settingsDifference } from '../../compare/settings';
import { summarise } from '../../compare/summary';
import { columnsOf, csvOf, markdownOf } from '../../compare/tables';
import { svgFile } from '../../report/draw/theme';
import { temporaryFolder } from '../support/deltas';

const settings: ComparisonSettings = {
  schemaVersion: 1,
  model: { name: 'small', sha256: 'ab', files: ['cd', null] },
  data: { train: 'ef', test: [], columns: { task: 'cola' } },
  rows: { rows: 100 },
  size: { k: 2 },
  tune: 'qkv',
  lrs: [1e-3],
  searchSeed: 0,
  training: { epochs: 3, batchSize: 32, warmup: 0.06, weightDecay: 0, maxLength: 128 },
  samples: 300,
};

const run = (contestant: RunRecord['contestant'], seed: number, value: number, tuned: number): RunRecord => ({
  schemaVersion: 1,
  contestant,
  seed,
  lr: contestant === 'logistic' ? null : 1e-3,
  rows: { train: 100, dev: 100 },
  metric: 'matthews',
  dev: { value: 0.5, epoch: 2 },
  test: { rows: 800, metrics: { matthews: value } },
  heads: [],
  trainableParameters: tuned,
  taskHeadParameters: contestant === 'logistic' ? 100 : 1000,
  totalParameters: 100_000,
  seconds: { selection: 1, run: seed, test: 2 },
  peakRssBytes: null,
});

const records = [
  ...[0.1, 0.2, 0.3].map((value, seed) => run('random', seed, value, 4000)),
  ...[0.2, 0.3, 0.4].map((value, seed) => run('hifi', seed, value, 4000)),
  ...[0.05, 0.05, 0.05].map((value, seed) => run('logistic', seed, value, 0)),
];
const results = summarise(settings, records, 'random');

test('methods are ordered by score, with their differences to the reference seed by seed', () => {
  expect(results.standings.map(({ contestant }) => contestant)).toEqual(['hifi', 'random', 'logistic']);
  const [hifi, random, logistic] = results.standings;
  expect(hifi.score.value).toBeCloseTo(0.3, 12);
  // Each seed is better by 0.1, so only the interval of the score has a width.
  expect(hifi.difference!.value).toBeCloseTo(0.1, 12);
  expect(hifi.difference!.interval!.high - hifi.difference!.interval!.low).toBeLessThan(1e-12);
  expect(hifi.score.interval!.low).toBeLessThan(0.25);
  // Of nine pairs hifi wins six and ties two.
  expect(hifi.improvement!.value).toBeCloseTo(7 / 9, 12);
  expect(hifi).toMatchObject({ lr: 1e-3, share: 0.04, seconds: { selection: 1, run: 1, test: 2 } });
  expect([random.difference, random.improvement]).toEqual([null, null]);
  expect(logistic).toMatchObject({ lr: null, improvement: { value: 0 } });
  expect(summarise(settings, records, 'random')).toEqual(results);
});

test('results.md and results.csv have the standings', () => {
  const [head, rule, first] = markdownOf(results).split('\n');
  expect(head).toMatch(/^\| method \| matthews \| 95 % \| − random \|/);
  expect(rule).toMatch(/^\| --- \| ---: \|/);
  expect(first).toMatch(
    /^\| hifi \| 0\.3000 \| 0\.2\d+ … 0\.\d+ \| \+0\.1000 \| \+0\.1000 … \+0\.1000 \| 0\.78 \| 4,000 \|/,
  );
  expect(columnsOf(results).filter(({ rank }) => rank === 0)).toHaveLength(2);
  expect(csvOf(results).split('\n').slice(0, 3)).toEqual([
    'contestant,seed,lr,matthews,trainable_parameters,task_head_parameters',
    'hifi,0,0.001,0.2,4000,1000',
    'hifi,1,0.001,0.3,4000,1000',
  ]);
});

test('within a budget, methods have the first seeds, and table, page and command say what was left out', () => {
  const cut = records.filter(({ contestant, seed }) => contestant === 'random' || seed === 0);
  const left = [1, 2].map((seed) => ({ contestant: 'hifi' as const, seed, lr: 1e-3 }));
  const dropped = [{ contestant: 'bottom' as const, lr: 1e-3, dev: null }];
  const judged = { contestant: 'hifi' as const, lr: 1e-3, dev: 0.5 };
  const noTime = [
    { contestant: 'setfit' as const, lr: 1e-3, dev: 0.675, seconds: 170.2 },
    { contestant: 'setfit' as const, lr: 3e-3, seconds: 9.5 },
  ];
  const notReached = [{ contestant: 'full' as const, lr: 1e-3 }];
  const rungs = [{ epochs: 1, kept: [judged], dropped, noTime, notReached }];
  const budget = { minutes: 5, reference: 'random' as const, seeds: [0, 1, 2, 3], rungs, notReached: left };
  const within = { ...summarise(settings, cut, 'random'), budget };
  const hifi = within.standings.find(({ contestant }) => contestant === 'hifi')!;
  // Only the first seed is common: 0.2 and 0.1.
  expect(hifi).toMatchObject({ values: [0.2], difference: { value: 0.1, interval: null }, improvement: { value: 1 } });
  expect(within.seeds).toEqual([0, 1, 2]);
  expect(csvOf(within).trim().split('\n')).toHaveLength(1 + 3 + 1 + 1);
  expect(markdownOf(within)).toContain(
    'rung of 1 epoch: kept hifi 0.001 (dev 0.5000); dropped bottom 0.001 (failed); no time for the whole run: setfit 0.001 (dev 0.6750, about 170 s), 0.003 (about 9.5 s); not reached: full 0.001.',
  );
  expect(markdownOf(within)).toContain('not reached with all epochs: hifi at 0.001 seed 1, seed 2.');
  const asked = { model: 'm', train: { path: 't.tsv', task: 'cola' as const }, test: [], device: 'cpu' };
  const runs = { counted: cut, search: [], rungs: [] };
  const page = renderComparison({ results: within, runs, model: { layers: 1, heads: 1 }, asked });
  expect(page).toContain('not reached with all epochs: hifi at 0.001 seed 1, seed 2.');
  expect(page.replace(/<script>[\s\S]*/, '')).not.toMatch(/NaN|Infinity|undefined|\[object|null/);
  expect(comparisonCommand(within, asked).replaceAll(/ \\\n */g, ' ')).toMatch(
    /--strategies random,hifi,logistic,bottom,setfit,full --seeds 4 --reference random --minutes 5 /,
  );
});

test('the seconds from nothing have all trainings of the first seed, those of the rungs too', () => {
  const out = temporaryFolder('costs');
  const trained = (lr: number, seconds: number): RunRecord => ({
    ...{ ...run('hifi', 0, 0.2, 4000), lr, seconds: { selection: 1, run: seconds, test: 2 } },
  });
  const whole = [trained(1e-3, 40), trained(3e-3, 44)];
  for (const record of whole) writeRun(out, record);
  for (const [lr, seconds] of [
    [1e-3, 10],
    [3e-3, 11],
    [1e-2, 12],
  ])
    writeRun(rungFolder(out, 1), trained(lr, seconds));
  const budget = { minutes: 5, reference: 'hifi' as const, seeds: [0], notReached: [] };
  const rung = { kept: [], dropped: [], noTime: [], notReached: [] };
  const rungs = [
    { epochs: 1, ...rung },
    { epochs: 2, ...rung }, // without a run
  ];
  const once = summarise(settings, whole.slice(0, 1), 'hifi');
  const seconds = (found: typeof once) => costsOf(found, knownRuns(out, found))[0].seconds.whole;
  expect(seconds(once)).toBe(1 + 40 + 44);
  expect(seconds({ ...once, budget: { ...budget, rungs } })).toBe(1 + 40 + 44 + 10 + 11 + 12);
  fs.rmSync(out, { recursive: true });
});

test('answers are shown from the side of the asked method', () => {
  const pair = { first: 'hifi', second: 'random' } as const;
  const seeds = [
    { seed: 0, onlyFirst: 1200, onlySecond: 3, p: 1e-9, rule: 'chi-square' },
    { seed: 2, onlyFirst: 5, onlySecond: 3, p: 0.7265625, rule: 'exact' },
  ] as const;
  const table = (method: 'hifi' | 'random') =>
    answersTable({ ...results, answers: [{ ...pair, seeds: [...seeds] }] }, method);
  const cells = (html: string) => [...html.matchAll(/<t[dh](?: [^>]*)?>([^<]*)</g)].map(([, text]) => text);
  expect(cells(table('hifi'))).toEqual([
    ...['hifi : other', 'seed 0', 'seed 1', 'seed 2'],
    ...['random', '1,200 : 3, p &lt; 0.0001', '–', '5 : 3, p 0.7266'],
  ]);
  expect(cells(table('random')).slice(4)).toEqual(['hifi', '3 : 1,200, p &lt; 0.0001', '–', '3 : 5, p 0.7266']);
});

test('the chart names every method and has its own colours and background', () => {
  const svg = svgFile(metricOverParameters(results));
  for (const { contestant } of results.standings) expect(svg).toContain(`>${contestant}</text>`);
  expect(svg).toMatch(
    /^<svg [^>]*role="group" aria-label="Test matthews over trainable parameters of 3 methods, 3 seeds"/,
  );
  expect(svg).toContain('<rect width="100%" height="100%" fill="');
  expect(svg).not.toContain('var(--');
  expect(svg).not.toMatch(/NaN|undefined|https?:(?!\/\/www\.w3\.org)/);
});

test('heads by default are 3 of a layer, neurons are not', () => {
  const [given, byDefault] = [{ k: 3 }, {}].map((size) => ({ ...settings, size }));
  expect(settingsDifference(given, byDefault, ['hifi', 'logistic'])).toBeUndefined();
  expect(settingsDifference(byDefault, given, ['hifi'])).toBeUndefined();
  const message = 'size.k was 3 and is not given';
  expect(settingsDifference(given, byDefault, ['hifi', 'random:neurons'])).toBe(message);
  expect(settingsDifference(settings, byDefault, ['hifi'])).toBe('size.k was 2 and is 3');
  expect(settingsDifference({ ...settings, size: { budget: 0.1 } }, byDefault, ['hifi'])).toMatch(/^size\./);
});

test('the first difference of two settings is named', () => {
  expect(differenceOf(settings, structuredClone(settings))).toBeUndefined();
  const now = (change: object) => differenceOf(settings, { ...settings, ...change });
  expect(now({ lrs: [1e-3, 3e-3] })).toBe('lrs was [0.001] and is [0.001,0.003]');
  expect(now({ rows: { rowsPerClass: 8 } })).toBe('rows.rows was 100 and is not given');
  expect(now({ data: { ...settings.data, train: 'xy' } })).toBe('data.train was "ef" and is "xy"');
});
