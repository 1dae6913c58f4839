import * as fs from 'node:fs';
import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { knownRuns } from '../compare/known-runs';
import type { Method } from '../compare/methods';
import { costsOf } from '../compare/run-costs';
import {
  bootstrapInterval,
  differences,
  type Interval,
  probabilityOfImprovement,
  type Strata,
} from '../compare/statistics';
import { bootstrap, type ComparisonResults, ofAll } from '../compare/summary';
import { scatterChart } from '../report/draw/scatter';
import { svgFile } from '../report/draw/theme';

/*
 *   node --require ./test/support/typescript-hook.cjs bench/across-tasks.ts
 *     --out NAME COMPARISON COMPARISON …
 *
 * Summarizes comparisons of the same methods on several tasks. Writes NAME.md and NAME.svg; each
 * COMPARISON is a folder of `hifi compare`. Methods that any of them lacks are left out.
 */

/** Methods whose mean metrics on a task are 0 and 1. */
const SCALE = { none: 'none', all: 'full' } as const;
/** Method that the others are compared with. */
const REFERENCE = 'hifi';

/** Result of a method over all tasks. */
export interface AcrossTasks {
  method: Method;
  /** Interquartile mean of the scaled metrics over tasks and seeds. */
  score: number;
  scoreInterval: Interval | undefined;
  /** That of the differences to {@link REFERENCE}, by task and seed; undefined for itself. */
  difference?: number;
  differenceInterval?: Interval;
  /** P(a run is better than one of {@link REFERENCE} on the same task). */
  improvement?: number;
  /** Seconds of all tasks: a training, with the choice of heads; a result from nothing. */
  seconds: { run: number; whole: number };
}

/** A comparison, and the folder with its runs. */
export interface ComparedTask {
  folder: string;
  results: ComparisonResults;
}

/**
 * Summarizes methods over tasks (Agarwal et al. 2021). On each task the metric is scaled: 0 is the
 * mean of the task head alone, 1 that of full fine-tuning.
 *
 * @returns best first
 * @throws Error if a task lacks a method of the scale or the reference, or seeds differ
 */
export function acrossTasks(tasks: readonly ComparedTask[]): AcrossTasks[] {
  const standingOf = ({ results, folder }: ComparedTask, method: string) => {
    const found = results.standings.find(({ contestant }) => contestant === method);
    if (!found) throw new Error(`${folder} has no runs of ${method}`);
    const { seeds } = tasks[0].results;
    if (results.seeds.join() !== seeds.join() || found.values.length !== seeds.length) {
      throw new Error(`${folder} does not have seeds ${seeds.join(', ')} of ${method}`);
    }
    return found;
  };
  const scaled = (method: string): Strata =>
    tasks.map((task) => {
      const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const [zero, one] = [SCALE.none, SCALE.all].map((of) => mean(standingOf(task, of).values));
      return standingOf(task, method).values.map((value) => (value - zero) / (one - zero));
    });
  const known = new Map(tasks.map((task) => [task, costsOf(task.results, knownRuns(task.folder, task.results))]));
  const total = (of: (task: ComparedTask) => number) => tasks.reduce((sum, task) => sum + of(task), 0);
  const methods = tasks[0].results.standings
    .map(({ contestant }) => contestant)
    .filter((method) => tasks.every(({ results }) => results.standings.some((each) => each.contestant === method)));
  const ofDifferences = (x: Strata, y: Strata) => ofAll(differences(x, y));
  const reference = scaled(REFERENCE);
  return methods
    .map((method): AcrossTasks => {
      const own = scaled(method);
      const costOf = (task: ComparedTask) => known.get(task)!.find((cost) => cost.method === method)!.seconds;
      return {
        method,
        score: ofAll(own),
        scoreInterval: bootstrapInterval([own], ofAll, bootstrap()),
        ...(method !== REFERENCE && {
          difference: ofDifferences(own, reference),
          differenceInterval: bootstrapInterval([own, reference], ofDifferences, bootstrap()),
          improvement: probabilityOfImprovement(own, reference),
        }),
        seconds: {
          run: total((task) => costOf(task).selection + costOf(task).run),
          whole: total((task) => costOf(task).whole),
        },
      };
    })
    .sort((a, b) => b.score - a.score);
}

/** Content of NAME.md. */
export function acrossMarkdown(tasks: readonly ComparedTask[]): string {
  const signed = (value: number) => `${value > 0 ? '+' : ''}${value.toFixed(3)}`.replace('-', '−');
  const range = (interval: Interval | undefined, text: (value: number) => string) =>
    interval ? `${text(interval.low)} … ${text(interval.high)}` : '–';
  const plain = (value: number) => value.toFixed(3).replace('-', '−');
  const all = acrossTasks(tasks);
  const [{ seconds: own }] = all.filter(({ method }) => method === REFERENCE);
  const names = tasks.map(({ folder, results }) => `${path.basename(folder)} (${results.metric})`);
  const rows = all.map(({ method, score, scoreInterval, difference, differenceInterval, improvement, seconds }) => [
    method,
    plain(score),
    range(scoreInterval, plain),
    difference === undefined ? '–' : signed(difference),
    range(differenceInterval, signed),
    improvement === undefined ? '–' : improvement.toFixed(2),
    (seconds.run / own.run).toFixed(2),
    (seconds.whole / own.whole).toFixed(2),
  ]);
  const head = ['method', 'score', '95 %', `− ${REFERENCE}`, '95 %', `P(> ${REFERENCE})`, 'training', 'from nothing'];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(head),
    line(head.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map(line),
    '',
    `Tasks: ${names.join(', ')}; ${tasks[0].results.seeds.length} seeds each.`,
    '',
    `score: interquartile mean over tasks and seeds, where 0 is the task head alone (\`none\`) and 1 is full fine-tuning (\`full\`) on each task; − ${REFERENCE}: that of the differences by task and seed; intervals: 95 % of a bootstrap of the seeds of each task.`,
    '',
    `training, from nothing: seconds of a training with its choice of heads, and of a result with the search of its learning rate, in units of ${REFERENCE}'s.`,
    '',
  ].join('\n');
}

/** Chart of the scores over the seconds of a result from nothing. */
export function acrossChart(tasks: readonly ComparedTask[]): string {
  return svgFile(
    scatterChart({
      title: `Scaled test metric over the seconds of a result, ${tasks.length} tasks`,
      x: 'seconds on all tasks, choosing heads, all learning rates and training included',
      y: 'score: 0 is the task head alone, 1 is full fine-tuning',
      tip: (seconds) => `${Math.round(seconds)} s`,
      points: acrossTasks(tasks).map(({ method, score, scoreInterval, seconds }) => ({
        name: method,
        x: seconds.whole,
        y: score,
        interval: scoreInterval && [scoreInterval.low, scoreInterval.high],
        marked: method === REFERENCE,
      })),
    }),
  );
}

/** Reads a folder of `hifi compare`. */
export function comparedTask(folder: string): ComparedTask {
  return { folder, results: JSON.parse(fs.readFileSync(path.join(folder, 'results.json'), 'utf8')) };
}

function main(): void {
  const { values, positionals } = parseArgs({ options: { out: { type: 'string' } }, allowPositionals: true });
  const { out } = values;
  if (out === undefined || positionals.length === 0)
    throw new Error('give --out NAME and the folders of the comparisons');
  const tasks = positionals.map(comparedTask);
  fs.writeFileSync(`${out}.md`, acrossMarkdown(tasks));
  fs.writeFileSync(`${out}.svg`, acrossChart(tasks));
}

if (require.main === module) main();
