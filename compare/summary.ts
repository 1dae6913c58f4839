import { randomStream } from '../data/random';
import { failed as failure } from '../foundation/errors';
import type { BudgetOutcome } from './budget';
import type { Method } from './methods';
import type { PairedAnswers } from './predictions';
import type { RunRecord } from './run-record';
import type { ComparisonSettings } from './settings';
import {
  type Bootstrap,
  bootstrapInterval,
  differences,
  type Interval,
  interquartileMean,
  probabilityOfImprovement,
  type Strata,
} from './statistics';

/** Settings of all intervals. */
const BOOTSTRAP = { replicates: 2000, level: 0.95, seed: 0 };

/** Value with its bootstrap interval over the seeds; null for a single seed. */
export interface Estimate {
  value: number;
  interval: Interval | null;
}

/** Result of one method. */
export interface Standing {
  contestant: Method;
  /** Best learning rate on the first seed's dev rows; null for logistic regression. */
  lr: number | null;
  /** Test metric of each seed, in order; within a budget maybe only of the first ones. */
  values: number[];
  /** Interquartile mean of the values. */
  score: Estimate;
  /** Interquartile mean of the differences to the reference, by seed; null for the reference. */
  difference: Estimate | null;
  /** P(a run of this method is better than one of the reference). */
  improvement: Estimate | null;
  /** Trainable parameters of the base and of the task head (or regression); the base's share. */
  trainableParameters: number;
  taskHeadParameters: number;
  share: number;
  /** Means over the seeds. */
  seconds: { selection: number; run: number; test: number };
}

/** Content of results.json. */
export interface ComparisonResults {
  schemaVersion: 1;
  settings: ComparisonSettings;
  seeds: number[];
  /** Row counts of the first seed; `leastTest`: fewest test rows of any seed, if different. */
  rows: { train: number; dev: number; test: number; leastTest?: number };
  metric: string;
  reference: Method;
  bootstrap: typeof BOOTSTRAP;
  /** Methods, best score first. */
  standings: Standing[];
  /** Answers of every two methods, row by row. Absent if there are none to compare. */
  answers?: PairedAnswers[];
  /** Excluded methods, whose training failed. Absent if there are none. */
  failed?: { contestant: Method; seed: number; failure: string }[];
  /**
   * Budget, and what it left out. The reference above is another one if there was no time for that
   * of the budget.
   */
  budget?: BudgetOutcome;
}

/**
 * Summarizes the runs of a comparison.
 *
 * @param records tested runs, one per method and seed; a method has those of the first seeds
 * @param reference method that all others are compared with
 * @param failed failed run of each excluded method
 * @throws HifiError FAILED if the reference is excluded
 */
export function summarise(
  settings: ComparisonSettings,
  records: readonly RunRecord[],
  reference: Method,
  failed: readonly RunRecord[] = [],
): ComparisonResults {
  const out = failed.map(({ contestant, seed, failure = '' }) => ({ contestant, seed, failure }));
  const lost = out.find(({ contestant }) => contestant === reference);
  if (lost) {
    throw failure(
      `the training of ${reference}, the reference, failed on seed ${lost.seed}: ${lost.failure}; give another --reference, or other --lrs`,
    );
  }
  const [first] = records;
  const methods = [...new Set(records.map(({ contestant }) => contestant))];
  const seeds = [...new Set(records.map(({ seed }) => seed))];
  const of = (method: Method) => records.filter((record) => record.contestant === method);
  const strata = (method: Method): Strata => [of(method).map((record) => metricOf(record, first.metric))];
  const standings = methods.map((method): Standing => {
    const runs = of(method);
    const own = strata(method);
    const other = strata(reference);
    const estimate = (sides: Strata[], statistic: (...sides: Strata[]) => number): Estimate => ({
      value: statistic(...sides),
      interval: bootstrapInterval(sides, statistic, bootstrap()) ?? null,
    });
    const isReference = method === reference;
    const mean = (part: (record: RunRecord) => number) => runs.reduce((sum, run) => sum + part(run), 0) / runs.length;
    return {
      contestant: method,
      lr: runs[0].lr,
      values: [...own[0]],
      score: estimate([own], ofAll),
      difference: isReference ? null : estimate(sameSeeds(own, other), (x, y) => ofAll(differences(x, y))),
      improvement: isReference ? null : estimate(sameSeeds(own, other), probabilityOfImprovement),
      trainableParameters: Math.round(mean((run) => run.trainableParameters)),
      taskHeadParameters: runs[0].taskHeadParameters,
      share: mean((run) => run.trainableParameters / run.totalParameters),
      seconds: {
        selection: mean((run) => run.seconds.selection),
        run: mean((run) => run.seconds.run),
        test: mean((run) => run.seconds.test),
      },
    };
  });
  const test = first.test!.rows;
  const leastTest = Math.min(...records.map((record) => record.test!.rows));
  return {
    schemaVersion: 1,
    settings,
    seeds,
    rows: { ...first.rows, test, ...(leastTest < test && { leastTest }) },
    metric: first.metric,
    reference,
    bootstrap: BOOTSTRAP,
    standings: standings.toSorted((a, b) => b.score.value - a.score.value),
    ...(out.length > 0 && { failed: out }),
  };
}

/** Values of two sides on the seeds that both have. */
export function sameSeeds([x]: Strata, [y]: Strata): [Strata, Strata] {
  const count = Math.min(x.length, y.length);
  return [[x.slice(0, count)], [y.slice(0, count)]];
}

/** Interquartile mean of the runs of all tasks. */
export const ofAll = (strata: Strata) => interquartileMean(strata.flat());

const metricOf = ({ test }: RunRecord, metric: string) => test!.metrics[metric];

/** Bootstrap with the same draws for every statistic. */
export function bootstrap(): Bootstrap {
  const random = randomStream(BOOTSTRAP.seed, 'comparison');
  return { ...BOOTSTRAP, draw: random.int };
}
