import type { Method } from './methods';
import type { RunKey } from './run-record';

/** Budget of a comparison. */
export interface Budget {
  /** Minutes of wall time since the process began. */
  minutes: number;
  /** Method that others are compared with. Its best candidate is never dropped. */
  reference: Method;
}

/** Method with a learning rate; null for logistic regression. */
export type Candidate = Pick<RunKey, 'contestant' | 'lr'>;

/** Candidate with its dev metric in a rung; null if its training failed. */
export interface JudgedCandidate extends Candidate {
  dev: number | null;
}

/** Candidate without time for its whole run. */
export interface UnaffordableCandidate extends Candidate {
  /** Dev metric in the rung; absent if it did not train there. */
  dev?: number;
  /** Expected seconds of its whole run: a training with all epochs, and the test. */
  seconds: number;
}

/** Rung of successive halving, on the first seed. */
export interface Rung {
  epochs: number;
  /** The better half, best first, then the reference's best. */
  kept: JudgedCandidate[];
  dropped: JudgedCandidate[];
  /**
   * Candidates without time for their whole run, except those that the dev metric drops. Like
   * `notReached`, they leave if any other was kept, except the reference's first.
   */
  noTime: UnaffordableCandidate[];
  /** Candidates without a run, since the rung's time was over. */
  notReached: Candidate[];
}

/** What a comparison did within its budget. */
export interface BudgetOutcome extends Budget {
  /** Seeds that were asked for, of which the last may have no run. */
  seeds: readonly number[];
  rungs: Rung[];
  /** Whole runs without time: of candidates that left a rung for that, and of the last ones. */
  notReached: RunKey[];
}
