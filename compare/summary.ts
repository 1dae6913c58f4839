import { randomStream } from '../data/random';
import { failed as failure } from '../foundation/errors';
import type { Contestant } from './contestants';
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

/** How intervals are made. */
const BOOTSTRAP = { replicates: 2000, level: 0.95, seed: 0 };

/** A value with its bootstrap interval over the seeds; none where there is but one. */
export interface Estimate {
  value: number;
  interval: Interval | null;
}

/** How one contestant has done. */
export interface Standing {
  contestant: Contestant;
  /** The rate that was best on the first seed's dev rows; null for logistic regression. */
  lr: number | null;
  /** The test metric of each seed, in their order. */
  values: number[];
  /** The interquartile mean of the values. */
  score: Estimate;
  /** Against the reference, seed by seed: the interquartile mean of the differences; null for the reference itself. */
  difference: Estimate | null;
  /** P(a run of it is better than one of the reference). */
  improvement: Estimate | null;
  /** Tuned numbers of the base and of the task head (or regression), and the former's share of the base. */
  trainableParameters: number;
  taskHeadParameters: number;
  share: number;
  /** Means over the seeds. */
  seconds: { selection: number; run: number; test: number };
}

/** results.json. */
export interface ComparisonResults {
  schemaVersion: 1;
  settings: ComparisonSettings;
  seeds: number[];
  /**
   * Row counts of the first seed; `leastTest` is the fewest test rows of any seed, if different.
   */
  rows: { train: number; dev: number; test: number; leastTest?: number };
  metric: string;
  reference: Contestant;
  bootstrap: typeof BOOTSTRAP;
  /** The best score first. */
  standings: Standing[];
  /** Contestants whose training broke off, and where: they have no standing. Left out where there are none. */
  failed?: { contestant: Contestant; seed: number; failure: string }[];
}

/**
 * What a comparison's runs say.
 *
 * @param records one a contestant and seed, all tested
 * @param reference one of the contestants
 * @param failed of each contestant that is out the run that broke off
 * @throws HifiError FAILED where the reference is out
 */
export function summarise(
  settings: ComparisonSettings,
  records: readonly RunRecord[],
  reference: Contestant,
  failed: readonly RunRecord[] = [],
): ComparisonResults {
  const out = failed.map(({ contestant, seed, failure = '' }) => ({ contestant, seed, failure }));
  const lost = out.find(({ contestant }) => contestant === reference);
  if (lost) {
    throw failure(
      `${reference}, who the others are compared with, broke off on seed ${lost.seed}: ${lost.failure}; give another --reference, or other --lrs`,
    );
  }
  const [first] = records;
  const contestants = [...new Set(records.map(({ contestant }) => contestant))];
  const seeds = [...new Set(records.map(({ seed }) => seed))];
  const of = (contestant: Contestant) => records.filter((record) => record.contestant === contestant);
  const strata = (contestant: Contestant): Strata => [of(contestant).map((record) => metricOf(record, first.metric))];
  const standings = contestants.map((contestant): Standing => {
    const runs = of(contestant);
    const own = strata(contestant);
    const other = strata(reference);
    const estimate = (sides: Strata[], statistic: (...sides: Strata[]) => number): Estimate => ({
      value: statistic(...sides),
      interval: bootstrapInterval(sides, statistic, bootstrap()) ?? null,
    });
    const isReference = contestant === reference;
    const mean = (part: (record: RunRecord) => number) => runs.reduce((sum, run) => sum + part(run), 0) / runs.length;
    return {
      contestant,
      lr: runs[0].lr,
      values: [...own[0]],
      score: estimate([own], ofAll),
      difference: isReference ? null : estimate([own, other], (x, y) => ofAll(differences(x, y))),
      improvement: isReference ? null : estimate([own, other], probabilityOfImprovement),
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

const ofAll = (strata: Strata) => interquartileMean(strata.flat());

const metricOf = ({ test }: RunRecord, metric: string) => test!.metrics[metric];

/** The same draws for every statistic. */
export function bootstrap(): Bootstrap {
  const random = randomStream(BOOTSTRAP.seed, 'comparison');
  return { ...BOOTSTRAP, draw: random.int };
}
