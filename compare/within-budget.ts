import * as path from 'node:path';
import { HifiError } from '../foundation/errors';
import type { Budget, BudgetOutcome, Candidate, Rung } from './budget';
import type { ComparisonRuns } from './comparison-runs';
import {
  type BudgetClock,
  betterHalf,
  fits,
  MeasuredCosts,
  methodsInOrder,
  rungEnd,
  rungEpochs,
} from './halving';
import { LOGISTIC, type Method, type TunedMethod } from './methods';
import type { CompareEvent } from './request';
import type { RunKey, RunRecord } from './run-record';

/** Result of the runs of a comparison. */
export interface RunsOutcome {
  /** Tested runs that count. */
  records: RunRecord[];
  /** Failed run of each excluded method. */
  failed: RunRecord[];
  budget?: BudgetOutcome;
}

/** Runs as a budget spends its time on them. */
export type SpentRuns = Pick<ComparisonRuns, 'request' | 'shortRun' | 'run' | 'missing' | 'closeSeed'>;

/**
 * Spends a budget of time by successive halving. Each rung trains every candidate, a method with a
 * learning rate, on the first seed with some epochs and keeps the better half; the next has twice
 * the epochs. The epochs grow, not the rows: all rungs share the rows, the chosen heads and the
 * frozen layers' output. The last candidates train with all epochs, the best first, and are tested;
 * then the later seeds follow, as far as time allows. `logistic` has no epochs and no rung.
 *
 * A run starts if it ends in time by the costs of earlier ones, or if its method has no cost yet.
 * `clock.end` cancels a run that takes longer. Stored runs take no time, so that the same
 * comparison, called again, continues.
 *
 * @param late aborts at `clock.end`, with the signal of the runs
 */
export async function* withinBudget(
  runs: SpentRuns,
  budget: Budget,
  clock: BudgetClock,
  late: AbortSignal,
): AsyncGenerator<CompareEvent, RunsOutcome> {
  const { methods, seeds, lrs, training, out } = runs.request;
  const [searchSeed, ...laterSeeds] = seeds;
  const { reference } = budget;
  const costs = new MeasuredCosts();
  const rungs: Rung[] = [];
  const notReached: RunKey[] = [];
  const records: RunRecord[] = [];
  const failed: RunRecord[] = [];

  /** Result of a run; undefined if the end of the budget has cancelled it. */
  async function* inTime(run: AsyncGenerator<CompareEvent, RunRecord>): AsyncGenerator<CompareEvent, RunRecord | undefined> {
    try {
      for (;;) {
        const { done, value } = await run.next();
        if (done) return value;
        if (value.kind === 'run') costs.add(value.record, value.epochs ?? training.epochs);
        if (value.kind === 'tested') costs.add(value.record, training.epochs);
        yield value;
      }
    } catch (error) {
      if (late.aborted && HifiError.from(error).code === 'CANCELLED') return undefined;
      throw error;
    }
  }

  /** True if a method's runs and its test end in time, or are stored. */
  const affordable = (method: Method, seed: number, rates: readonly number[]) => {
    const { trainings, test } = runs.missing(method, seed, rates);
    if (trainings === 0 && !test) return true;
    const each = costs.training(method, training.epochs);
    const whole = trainings === 0 ? 0 : each === undefined ? undefined : trainings * each;
    return fits(whole === undefined ? undefined : whole + costs.test(method), clock.now(), clock.end);
  };

  const tuned = methods.filter((method): method is TunedMethod => method !== LOGISTIC);
  let candidates: (Candidate & { contestant: TunedMethod; lr: number })[] = lrs.flatMap((lr) =>
    tuned.map((contestant) => ({ contestant, lr })),
  );
  const planned = rungEpochs(candidates.length, training.epochs);
  for (const [i, epochs] of planned.entries()) {
    const end = rungEnd(clock, planned.length - i, seeds.length);
    const rung = { epochs, out: path.join(out, 'rungs', `${epochs}-epochs`) };
    const ran: (RunRecord & { contestant: TunedMethod; lr: number })[] = [];
    const left: typeof candidates = [];
    for (const candidate of candidates) {
      const { contestant, lr } = candidate;
      const isDue = runs.missing(contestant, searchSeed, [lr], rung.out).trainings === 0;
      const starts = isDue || fits(costs.training(contestant, epochs), clock.now(), end);
      const record = starts ? yield* inTime(runs.shortRun(contestant, searchSeed, lr, rung)) : undefined;
      if (record) ran.push({ ...record, contestant, lr });
      else left.push(candidate);
    }
    const kept = betterHalf(ran, reference);
    const judged = ({ contestant, lr, dev }: RunRecord) => ({ contestant, lr, dev: dev?.value ?? null });
    rungs.push({
      epochs,
      kept: kept.map(judged),
      dropped: ran.filter((run) => !kept.includes(run)).map(judged),
      notReached: left,
    });
    yield { kind: 'rung', rung: rungs[i] };
    const spared = kept.some(({ contestant }) => contestant === reference)
      ? []
      : left.filter(({ contestant }) => contestant === reference).slice(0, 1);
    candidates = kept.length > 0 ? [...kept.map(({ contestant, lr }) => ({ contestant, lr })), ...spared] : left;
  }

  const [best, ...others] = candidates as Candidate[];
  const regression: Candidate[] = methods.includes(LOGISTIC) ? [{ contestant: LOGISTIC, lr: null }] : [];
  const ranked = [...(best ? [best] : []), ...regression, ...others];
  const counting: { method: Method; lr: number | null }[] = [];
  for (const { method, lrs: rates } of methodsInOrder(ranked, reference)) {
    const keys = method === LOGISTIC ? [null] : rates;
    let count = keys.length;
    while (count > 0 && !affordable(method, searchSeed, rates.slice(0, count))) count--;
    const record = count > 0 ? yield* inTime(runs.run(method, searchSeed, rates.slice(0, count), listed)) : undefined;
    for (const lr of record ? keys.slice(count) : keys) notReached.push({ contestant: method, seed: searchSeed, lr });
    if (record?.test) {
      records.push(record);
      counting.push({ method, lr: record.lr });
    } else if (record) failed.push(record);
  }
  runs.closeSeed(searchSeed);
  for (const seed of laterSeeds) {
    for (const { method, lr } of [...counting]) {
      const rates = lr === null ? [] : [lr];
      const record = affordable(method, seed, rates) ? yield* inTime(runs.run(method, seed, rates)) : undefined;
      if (record?.test) {
        records.push(record);
        continue;
      }
      // A method's seeds are the first ones, so that methods are compared on the same.
      counting.splice(
        counting.findIndex((other) => other.method === method),
        1,
      );
      if (record) failed.push(record);
      else {
        const from = seeds.indexOf(seed);
        notReached.push(...seeds.slice(from).map((later) => ({ contestant: method, seed: later, lr })));
      }
    }
    runs.closeSeed(seed);
  }
  const lost = new Set(failed.map(({ contestant }) => contestant));
  return {
    records: records.filter(({ contestant }) => !lost.has(contestant)),
    failed,
    budget: { ...budget, rungs, notReached },
  };
}

/** Rates of a list, one after the other, and none beyond its ends: these are what is left of them. */
const listed = (lrs: readonly number[], tried: readonly unknown[]) => lrs.slice(tried.length);
