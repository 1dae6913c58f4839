import { isBetter } from '../delta/metrics';
import type { Candidate } from './budget';
import type { Method } from './methods';
import type { RunRecord } from './run-record';

/** Number of candidates from which on a rung drops some. */
const FEW = 3;

/**
 * Epochs of the rungs of successive halving (Jamieson & Talwalkar 2016), ascending: each rung has
 * at most half the epochs of the next, the last at most half of all. As many rungs as halve the
 * candidates to two, if there are epochs for them.
 *
 * @param candidates number of candidates of the first rung
 * @param epochs epochs of a whole training
 */
export function rungEpochs(candidates: number, epochs: number): number[] {
  const wanted = Math.ceil(Math.log2(Math.max(2, candidates) / 2));
  const halvings = Math.min(wanted, Math.floor(Math.log2(epochs)));
  return Array.from({ length: halvings }, (_, i) => Math.floor(epochs / 2 ** (halvings - i)));
}

/** Runs that did not fail, the best on the dev rows first; of equals the earlier. */
export const byQuality = <Run extends Pick<RunRecord, 'dev'>>(runs: readonly Run[]): Run[] =>
  runs.filter(({ dev }) => dev).toSorted((a, b) => Number(isBetter(b.dev!, a.dev!)) - Number(isBetter(a.dev!, b.dev!)));

/**
 * Better half of a rung's runs, the best first; all runs if they are few. The best run of the
 * reference, with which all others are compared, is kept in any case.
 */
export function betterHalf<Run extends Candidate & Pick<RunRecord, 'dev'>>(
  runs: readonly Run[],
  reference: Method,
): Run[] {
  const ranked = byQuality(runs);
  const half = ranked.length < FEW ? ranked.length : Math.ceil(ranked.length / 2);
  const kept = new Set(ranked.slice(0, half));
  const own = ranked.find(({ contestant }) => contestant === reference);
  if (own) kept.add(own);
  return [...kept];
}

/**
 * Methods of the last stage with their learning rates, in the order of their runs: the best
 * candidate's, the reference, and the others by their best candidate.
 *
 * @param ranked candidates, the best first
 */
export function methodsInOrder(ranked: readonly Candidate[], reference: Method): { method: Method; lrs: number[] }[] {
  const names = [...new Set(ranked.map(({ contestant }) => contestant))];
  const first = names.slice(0, 1);
  const order = new Set([...first, ...names.filter((name) => name === reference), ...names]);
  return [...order].map((method) => ({
    method,
    lrs: ranked.flatMap(({ contestant, lr }) => (contestant === method && lr !== null ? [lr] : [])),
  }));
}

/** Clock of a budget, in seconds. */
export interface BudgetClock {
  /** Seconds so far. */
  now: () => number;
  /** Seconds at which the last run must have ended. */
  end: number;
}

/**
 * Time until which a rung starts runs: an equal share of what remains for it, each rung after it
 * and each seed, since halved candidates with doubled epochs take about as long.
 */
export const rungEnd = ({ now, end }: BudgetClock, rungsLeft: number, seeds: number): number =>
  now() + (end - now()) / (rungsLeft + seeds);

/** True if a run may start: it ends in time by its cost, or its cost is not known yet. */
export const fits = (seconds: number | undefined, now: number, end: number): boolean =>
  now < end && now + (seconds ?? 0) <= end;

/** Most seconds of a method's parts so far. */
interface MethodCosts {
  selection: number;
  /** Training by epochs. */
  run: Map<number, number>;
  test: number;
}

/** Costs of runs, estimated from those that have ended. */
export class MeasuredCosts {
  private readonly methods = new Map<Method, MethodCosts>();

  /** Adds a run of some epochs. */
  add({ contestant, seconds, test }: RunRecord, epochs: number): void {
    const known = this.methods.get(contestant) ?? { selection: 0, run: new Map<number, number>(), test: 0 };
    known.selection = Math.max(known.selection, seconds.selection);
    known.run.set(epochs, Math.max(known.run.get(epochs) ?? 0, seconds.run));
    if (test) known.test = Math.max(known.test, seconds.test);
    this.methods.set(contestant, known);
  }

  /**
   * Seconds of a selection and a training, the training in proportion to the most epochs so far;
   * undefined if none has ended. Too high rather than too low: the start of a run takes as long for
   * fewer epochs.
   */
  training(method: Method, epochs: number): number | undefined {
    const known = this.methods.get(method);
    if (!known) return undefined;
    const most = Math.max(...known.run.keys());
    return known.selection + (known.run.get(most)! * epochs) / most;
  }

  /** Seconds of a test: of the method's own, or the longest of any; 0 before the first. */
  test(method: Method): number {
    return this.methods.get(method)?.test || Math.max(0, ...[...this.methods.values()].map(({ test }) => test));
  }
}
