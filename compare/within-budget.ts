import { HifiError } from '../foundation/errors';
import type { Budget, BudgetOutcome, Candidate, Rung, UnaffordableCandidate } from './budget';
import type { ComparisonRuns } from './comparison-runs';
import { type BudgetClock, betterHalf, fits, MeasuredCosts, methodsInOrder, rungEnd, rungEpochs } from './halving';
import { LOGISTIC, type Method, type TunedMethod } from './methods';
import type { CompareEvent } from './request';
import { type RunKey, type RunRecord, rungFolder } from './run-record';

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
 * `clock.end` cancels a run that takes longer. Stored runs take no time. While time is left,
 * another pass over all rungs adds what an earlier one did not reach; one that tests fewer runs
 * does not count. So the same comparison, called again, continues.
 *
 * @param late aborts at `clock.end`, with the signal of the runs
 */
export async function* withinBudget(
  runs: SpentRuns,
  budget: Budget,
  clock: BudgetClock,
  late: AbortSignal,
): AsyncGenerator<CompareEvent, RunsOutcome> {
  const spending = new Spending(runs, budget, clock, late);
  let outcome: RunsOutcome | undefined;
  for (;;) {
    const next = yield* spending.pass();
    const { newRuns } = spending;
    if (!outcome || (newRuns > 0 && next.records.length >= outcome.records.length)) outcome = next;
    if (newRuns === 0) return outcome;
  }
}

/** Candidate that a rung trains. */
type TunedCandidate = Candidate & { contestant: TunedMethod; lr: number };

/** Passes over the runs of a budget. */
class Spending {
  /** Runs of the last pass that were not stored before. */
  newRuns = 0;
  private isFirst = true;
  private readonly costs = new MeasuredCosts();

  constructor(
    private readonly runs: SpentRuns,
    private readonly budget: Budget,
    private readonly clock: BudgetClock,
    private readonly late: AbortSignal,
  ) {}

  async *pass(): AsyncGenerator<CompareEvent, RunsOutcome> {
    this.newRuns = 0;
    const { rungs, candidates, unaffordable } = yield* this.rungs();
    const outcome = yield* this.wholeRuns(candidates);
    this.isFirst = false;
    const { records, failed, notReached } = outcome;
    const lost = new Set(failed.map(({ contestant }) => contestant));
    return {
      records: records.filter(({ contestant }) => !lost.has(contestant)),
      failed,
      budget: { ...this.budget, seeds: this.runs.request.seeds, rungs, notReached: [...unaffordable, ...notReached] },
    };
  }

  /**
   * Halves the candidates rung by rung.
   *
   * @returns those that are left, the best first, and whole runs of those that left for time
   */
  private async *rungs(): AsyncGenerator<
    CompareEvent,
    { rungs: Rung[]; candidates: TunedCandidate[]; unaffordable: RunKey[] }
  > {
    const { runs, clock } = this;
    const { methods, seeds, lrs, training, out } = runs.request;
    const tuned = methods.filter((method): method is TunedMethod => method !== LOGISTIC);
    let candidates = lrs.flatMap((lr) => tuned.map((contestant): TunedCandidate => ({ contestant, lr })));
    const rungs: Rung[] = [];
    const unaffordable: RunKey[] = [];
    const planned = rungEpochs(candidates.length, training.epochs);
    for (const [i, epochs] of planned.entries()) {
      const end = rungEnd(clock, planned.length - i, seeds.length);
      const place = { epochs, out: rungFolder(out, epochs) };
      const ran: (RunRecord & TunedCandidate)[] = [];
      for (const { contestant, lr } of candidates) {
        const isStored = runs.missing(contestant, seeds[0], [lr], place.out).trainings === 0;
        const cost = this.costs.training(contestant, epochs);
        const starts = isStored || (fits(cost, clock.now(), end) && this.leavesTime(contestant, lr, cost));
        const record = starts ? yield* this.inTime(runs.shortRun(contestant, seeds[0], lr, place)) : undefined;
        if (record) ran.push({ ...record, contestant, lr });
      }
      // A candidate without time for its whole run takes no other's place.
      const able = ran.filter(({ contestant, lr }) => this.leavesTime(contestant, lr));
      const better = betterHalf(ran, this.budget.reference);
      const judged = ran.filter((run) => able.includes(run) || !better.includes(run));
      const left = candidates.filter((one) => !judged.some(isSame(one)));
      const kept = betterHalf(able, this.budget.reference);
      const dropped = judged.filter((run) => !kept.includes(run));
      const noTime = left.flatMap((one) => this.unaffordable(one, ran.find(isSame(one)), epochs) ?? []);
      const notReached = left.filter((one) => !noTime.some(isSame(one)));
      rungs.push({ epochs, kept: kept.map(withDev), dropped: dropped.map(withDev), noTime, notReached });
      if (this.isFirst || this.newRuns > 0) yield { kind: 'rung', rung: rungs[i] };
      const isReference = ({ contestant }: Candidate) => contestant === this.budget.reference;
      const spared = kept.some(isReference) ? [] : left.filter(isReference).slice(0, 1);
      const next = kept.length > 0 ? [...kept.map(({ contestant, lr }) => ({ contestant, lr })), ...spared] : left;
      const leaving = noTime.filter((one) => !next.some(isSame(one)));
      unaffordable.push(...leaving.map(({ contestant, lr }) => ({ contestant, seed: seeds[0], lr })));
      candidates = next;
    }
    return { rungs, candidates, unaffordable };
  }

  /** Trains with all epochs and tests, on the first seed and then on the later ones. */
  private async *wholeRuns(
    candidates: readonly TunedCandidate[],
  ): AsyncGenerator<CompareEvent, Pick<RunsOutcome, 'records' | 'failed'> & Pick<BudgetOutcome, 'notReached'>> {
    const { runs, budget } = this;
    const { methods, seeds } = runs.request;
    const records: RunRecord[] = [];
    const failed: RunRecord[] = [];
    const notReached: RunKey[] = [];
    const regression: Candidate[] = methods.includes(LOGISTIC) ? [{ contestant: LOGISTIC, lr: null }] : [];
    const ranked = [...candidates.slice(0, 1), ...regression, ...candidates.slice(1)];
    // A method's seeds are the first ones, so that methods are compared on the same.
    let counting: { method: Method; lrs: readonly number[] }[] = methodsInOrder(ranked, budget.reference);
    for (const [i, seed] of seeds.entries()) {
      const reached: typeof counting = [];
      for (const { method, lrs } of counting) {
        const count = this.affordable(method, seed, lrs);
        const record =
          count === undefined ? undefined : yield* this.inTime(runs.run(method, seed, lrs.slice(0, count), listed));
        const due = method === LOGISTIC ? [null] : lrs;
        const rates = record ? due.slice(count || 1) : due;
        const ofSeeds = record ? [seed] : seeds.slice(i);
        for (const late of i === 0 ? [seed] : ofSeeds) {
          notReached.push(...rates.map((lr) => ({ contestant: method, seed: late, lr })));
        }
        if (record?.test) {
          records.push(record);
          reached.push({ method, lrs: record.lr === null ? [] : [record.lr] });
        } else if (record) failed.push(record);
      }
      counting = reached;
      runs.closeSeed(seed);
    }
    return { records, failed, notReached };
  }

  /** Result of a run; undefined if the end of the budget has cancelled it. */
  private async *inTime(
    run: AsyncGenerator<CompareEvent, RunRecord>,
  ): AsyncGenerator<CompareEvent, RunRecord | undefined> {
    const { epochs } = this.runs.request.training;
    try {
      for (;;) {
        const { done, value } = await run.next();
        if (done) return value;
        if (value.kind === 'tested') this.costs.add(value.record, epochs);
        if (value.kind === 'run') {
          this.costs.add(value.record, value.epochs ?? epochs);
          if (!value.stored) this.newRuns++;
          else if (!this.isFirst) continue; // its reader knows it
        }
        yield value;
      }
    } catch (error) {
      if (this.late.aborted && HifiError.from(error).code === 'CANCELLED') return undefined;
      throw error;
    }
  }

  /**
   * Number of a method's rates, 0 of a method without any, with which its runs and its test end in
   * time or are stored; undefined if there is none.
   */
  private affordable(method: Method, seed: number, lrs: readonly number[]): number | undefined {
    const counts = method === LOGISTIC ? [0] : Array.from(lrs, (_, i) => lrs.length - i);
    return counts.find((count) => this.fitsWhole(method, seed, lrs.slice(0, count)));
  }

  /** True if after a rung's run the whole run of a candidate would end in time. */
  private leavesTime(method: Method, lr: number, seconds = 0): boolean {
    return this.fitsWhole(method, this.runs.request.seeds[0], [lr], seconds);
  }

  /**
   * A candidate with the seconds of its whole run, if these are known and there is no time.
   *
   * @param ran its run in the rung, if it has one
   */
  private unaffordable(
    { contestant, lr }: TunedCandidate,
    ran: RunRecord | undefined,
    epochs: number,
  ): UnaffordableCandidate | undefined {
    const seconds = this.wholeSeconds(contestant, this.runs.request.seeds[0], [lr]);
    const before = ran ? 0 : this.costs.training(contestant, epochs);
    if (!seconds || this.leavesTime(contestant, lr, before)) return undefined;
    return { contestant, lr, ...(ran?.dev && { dev: ran.dev.value }), seconds };
  }

  /** @param before seconds until the runs could start */
  private fitsWhole(method: Method, seed: number, lrs: readonly number[], before = 0): boolean {
    const { trainings, test } = this.runs.missing(method, seed, lrs);
    if (trainings === 0 && !test) return true;
    return fits(this.wholeSeconds(method, seed, lrs), this.clock.now() + before, this.clock.end);
  }

  /** Expected seconds of the runs and the test that are not stored; undefined if not known. */
  private wholeSeconds(method: Method, seed: number, lrs: readonly number[]): number | undefined {
    const { trainings, test } = this.runs.missing(method, seed, lrs);
    const each = trainings === 0 ? 0 : this.costs.training(method, this.runs.request.training.epochs);
    return each === undefined ? undefined : trainings * each + (test ? this.costs.test(method) : 0);
  }
}

const withDev = ({ contestant, lr, dev }: RunRecord) => ({ contestant, lr, dev: dev?.value ?? null });

const isSame = (one: Candidate) => (other: Candidate) => one.contestant === other.contestant && one.lr === other.lr;

/** Rates of a list, one after the other; none beyond its ends, which halving has moved. */
const listed = (lrs: readonly number[], tried: readonly unknown[]) => lrs.slice(tried.length);
