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

/** Rung of successive halving, on the first seed. */
export interface Rung {
  epochs: number;
  /** The better half, best first, then the reference's best. */
  kept: JudgedCandidate[];
  dropped: JudgedCandidate[];
  /**
   * Candidates without a run, or without time for their whole run. They leave if any other was
   * kept, except the reference's first.
   */
  notReached: Candidate[];
}

/** What a comparison did within its budget. */
export interface BudgetOutcome extends Budget {
  rungs: Rung[];
  /** Whole runs that were due and for which there was no time. */
  notReached: RunKey[];
}
