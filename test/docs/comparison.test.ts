import * as fs from 'node:fs';
import * as path from 'node:path';
import { metricOverParameters, metricOverSeconds } from '../../compare/figures';
import { knownRuns } from '../../compare/known-runs';
import type { RunRecord } from '../../compare/run-record';
import { type ComparisonResults, type Standing, summarise } from '../../compare/summary';
import { markdownOf } from '../../compare/tables';
import { svgFile } from '../../report/draw/theme';

/* Checks that the figures of the comparisons agree, from the files of the runs to the pages. */
const checkout = path.join(__dirname, '../..');
const folder = path.join(checkout, 'docs/comparison');
const names = fs
  .readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const textOf = (...parts: string[]) => fs.readFileSync(path.join(checkout, ...parts), 'utf8');
const resultsOf = (name: string): ComparisonResults => JSON.parse(textOf('docs/comparison', name, 'results.json'));

/** Runs of a comparison that count: the tested one of each method and seed. */
function testedRuns(name: string, { standings, seeds }: ComparisonResults): RunRecord[] {
  const runs = path.join(folder, name, 'runs');
  const all = fs
    .readdirSync(runs)
    .map((file) => JSON.parse(fs.readFileSync(path.join(runs, file), 'utf8')) as RunRecord);
  return standings.flatMap(({ contestant }) =>
    seeds.map((seed) => {
      const [run, ...others] = all.filter((one) => one.contestant === contestant && one.seed === seed && one.test);
      expect(others).toEqual([]);
      return run;
    }),
  );
}

test.each(names)('%s: table and charts follow from the stored runs', (name) => {
  const results = resultsOf(name);
  const { settings, reference, standings } = results;
  const summary = summarise(settings, testedRuns(name, results), reference);
  // Equal scores are in the order of the command line.
  const order = (all: Standing[]) => all.toSorted((a, b) => a.contestant.localeCompare(b.contestant));
  expect(order(summary.standings)).toEqual(order(standings));
  // The answers row by row, from which McNemar's test follows, are not kept here.
  const { answers } = results;
  expect({ ...summary, standings, ...(answers && { answers }) }).toEqual(results);
  expect(textOf('docs/comparison', name, 'results.md')).toBe(markdownOf(results));
  expect(textOf('docs/comparison', name, 'results.svg')).toBe(svgFile(metricOverParameters(results)));
  const overSeconds = svgFile(metricOverSeconds(results, knownRuns(path.join(folder, name), results)));
  expect(textOf('docs/comparison', name, 'results-seconds.svg')).toBe(overSeconds);
});

test('docs/comparison/README.md has each table, and the command that made it', () => {
  const page = textOf('docs/comparison/README.md');
  for (const name of names) {
    const [table] = textOf('docs/comparison', name, 'results.md').split('\n\n');
    expect(page).toContain(`(${name}/results.md)`);
    expect(page).toContain(table);
    expect(page).toContain(`--out ${name}\n`);
  }
});

/** Cells of a table, by row. */
const cellsOf = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('**', ''));

const figure = (value: number, signed = false) =>
  `${signed && value > 0 ? '+' : ''}${value.toFixed(4).replace('-', '−')}`;

/** Text `score (low … high)`: interquartile mean, and interval of the difference. */
function cellOf({ score, difference }: Standing): string {
  const interval = difference?.interval;
  const range = interval ? ` (${figure(interval.low, true)} … ${figure(interval.high, true)})` : '';
  return `${figure(score.value)}${range}`;
}

test('tables over several comparisons have the figures of each', () => {
  const lines = textOf('docs/comparison/README.md').split('\n');
  const heads = lines.flatMap((line, i) => (/^\|.*\]\([\w-]+\/results\.md\)/.test(line) ? [i] : []));
  expect(heads.length).toBeGreaterThan(0);
  for (const at of heads) {
    const columns = cellsOf(lines[at]).map((cell) => /\(([\w-]+)\/results\.md\)/.exec(cell)?.[1]);
    const rows = lines.slice(
      at + 2,
      lines.findIndex((line, i) => i > at && !line.startsWith('|')),
    );
    for (const [contestant, ...cells] of rows.map(cellsOf)) {
      const figures = columns.slice(1).map((name) => {
        const standing = resultsOf(name as string).standings.find((each) => `\`${each.contestant}\`` === contestant);
        return standing ? cellOf(standing) : '–';
      });
      expect([contestant, ...cells]).toEqual([contestant, ...figures]);
    }
  }
});
