import { SELECTION_DEFAULTS } from '../heads/select';
import { grouped } from '../report/sentences';
import { budgetNotes } from './budget-notes';
import { unitsOf } from './methods';
import type { ComparisonResults, Estimate, Standing } from './summary';

/** Column of the table. If not all fit, the highest ranks go first. */
export interface Column {
  head: string;
  cell: (standing: Standing) => string;
  right: boolean;
  /** Priority; a column of rank 0 always stays. */
  rank: number;
}

/** Columns of the standings. */
export function columnsOf({ metric, reference, bootstrap }: ComparisonResults): Column[] {
  const percent = `${100 * bootstrap.level} %`;
  const estimate = (pick: (standing: Standing) => Estimate | null, digits: number, signed: boolean) => {
    const text = (value: number) => `${signed && value > 0 ? '+' : ''}${value.toFixed(digits).replace('-', '−')}`;
    return {
      value: (standing: Standing) => {
        const estimated = pick(standing);
        return estimated === null ? '–' : text(estimated.value);
      },
      interval: (standing: Standing) => {
        const interval = pick(standing)?.interval;
        return interval ? `${text(interval.low)} … ${text(interval.high)}` : '–';
      },
    };
  };
  const score = estimate(({ score }) => score, 4, false);
  const difference = estimate(({ difference }) => difference, 4, true);
  const improvement = estimate(({ improvement }) => improvement, 2, false);
  const right = true;
  return [
    { head: 'method', cell: ({ contestant }) => contestant, right: false, rank: 0 },
    { head: metric, cell: score.value, right, rank: 0 },
    { head: percent, cell: score.interval, right, rank: 2 },
    { head: `− ${reference}`, cell: difference.value, right, rank: 1 },
    { head: percent, cell: difference.interval, right, rank: 1 },
    { head: `P(> ${reference})`, cell: improvement.value, right, rank: 3 },
    { head: 'tuned', cell: ({ trainableParameters }) => grouped(trainableParameters), right, rank: 4 },
    { head: 'task head', cell: ({ taskHeadParameters }) => grouped(taskHeadParameters), right, rank: 6 },
    { head: 'rate', cell: ({ lr }) => (lr === null ? '–' : String(lr)), right, rank: 5 },
    { head: 'select s', cell: ({ seconds }) => seconds.selection.toFixed(1), right, rank: 8 },
    { head: 'train s', cell: ({ seconds }) => seconds.run.toFixed(1), right, rank: 7 },
  ];
}

/**
 * Formats the number of test rows. Rows that chose the learning rate are in no test of later seeds.
 */
export const testedRows = ({ test, leastTest }: ComparisonResults['rows']) =>
  leastTest === undefined ? grouped(test) : `${grouped(leastTest)} to ${grouped(test)}`;

const OLDER_SPLIT = 'split version 1: on later seeds, some test rows are among those that chose the learning rate on';

/** True if rows that chose the learning rate are test rows: split version 1, several rates. */
const sharedRows = ({ settings, seeds }: ComparisonResults) =>
  settings.schemaVersion === 1 && seeds.length > 1 && settings.lrs.length > 1;

/** Notes on the table, one sentence each. */
export function notesOf(results: ComparisonResults): string[] {
  const { settings, seeds, rows, metric, standings, reference, bootstrap, failed = [], budget } = results;
  const { size: given, tune } = settings;
  const compared = [...standings, ...failed].map(({ contestant }) => contestant);
  const { k: heads } = SELECTION_DEFAULTS;
  const byDefault = unitsOf(compared, tune).has('neurons')
    ? `${heads} heads, or as many neurons as have their parameters`
    : heads;
  const size = 'budget' in given ? `a budget of ${100 * given.budget} %` : `k = ${given.k ?? byDefault}`;
  const drawn =
    'rowsPerClass' in settings.rows
      ? `${settings.rows.rowsPerClass} rows of each class`
      : `${grouped(rows.train)} rows`;
  const { epochs } = settings.training;
  const once = seeds.length === 1;
  return [
    `${settings.model.name}, ${size}, ${epochs} epochs on ${drawn}, redrawn for each of ${seeds.length} seed${once ? '' : 's'}; ${grouped(rows.dev)} other rows choose the learning rate (on seed ${settings.searchSeed}) and the epoch; tested on ${testedRows(rows)} rows`,
    ...(sharedRows(results) ? [`${OLDER_SPLIT} seed ${settings.searchSeed}`] : []),
    `${metric}: interquartile mean over the seeds; − ${reference}: that of the differences seed by seed; P(> ${reference}): the probability that a run is better than one of ${reference}`,
    once
      ? 'one seed: no intervals'
      : `intervals: ${100 * bootstrap.level} % of ${grouped(bootstrap.replicates)} bootstrap replicates of the seeds; with few seeds they are too narrow`,
    ...failed.map(
      ({ contestant, seed, failure }) => `${contestant} is excluded: it failed on seed ${seed} (${failure})`,
    ),
    ...(budget ? budgetNotes(budget, reference) : []),
  ];
}

/** Content of results.md. */
export function markdownOf(results: ComparisonResults): string {
  const columns = columnsOf(results);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(({ head }) => head.replaceAll('|', '\\|'))),
    line(columns.map(({ right }) => (right ? '---:' : '---'))),
    ...results.standings.map((standing) => line(columns.map(({ cell }) => cell(standing)))),
    '',
    ...notesOf(results).map((note) => `${note}.\n`),
  ].join('\n');
}

/** Content of results.csv: one line per run. */
export function csvOf({ standings, seeds, metric }: ComparisonResults): string {
  const head = `contestant,seed,lr,${metric},trainable_parameters,task_head_parameters`;
  const lines = standings.flatMap(({ contestant, lr, values, trainableParameters, taskHeadParameters }) =>
    values.map((value, i) =>
      [contestant, seeds[i], lr ?? '', value, trainableParameters, taskHeadParameters].join(','),
    ),
  );
  return `${[head, ...lines].join('\n')}\n`;
}
