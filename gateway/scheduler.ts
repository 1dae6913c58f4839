import { setTimeout as delay } from 'node:timers/promises';
import { Backoff, type Pauses } from '../foundation/backoff';
import { HifiError } from '../foundation/errors';
import { onAbort } from '../foundation/on-abort';
import { Absence } from '../infra/grpc/absence';
import type { Logger } from '../infra/log';
import { RpcError, rpcErrorOf, status } from '../proto/status';
import { noteWhenRoom } from './note-when-room';
import { type Happening, hasEnded, type JobError } from './record';
import type { Claim, JobStore } from './store';

/**
 * Receives each answer of a service: `advanced` is true if a later attempt need not repeat that
 * work.
 */
export type OnAnswer = (advanced: boolean) => void;

/** Runs a job once; see `attempt.ts`. */
export type Attempt = (claim: Claim, signal: AbortSignal, onAnswer: OnAnswer) => Promise<void>;

export interface SchedulerLimits {
  /** Number of jobs that run at once: the engines use all cores for one. */
  running: number;
  /** Largest number of waiting jobs. */
  waiting: number;
  /** Number of lost engines in a row, without new progress, after which a job fails. */
  lostEngines: number;
  /** Longest absence of an unreachable service, in milliseconds. */
  awayMs: number;
}

export const SCHEDULER_DEFAULTS: SchedulerLimits = { running: 1, waiting: 100, lostEngines: 3, awayMs: 15 * 60_000 };

/** Largest number of waiting jobs of a store that several gateways share. */
export const SHARED_WAITING = 1_000_000;

/** Pauses between two attempts. */
const PAUSES: Pauses = { first: 500, longest: 5000 };

/**
 * Runs the jobs of a store in the order of their creation, a limited number at once. Makes as many
 * attempts at a job as it needs.
 */
export class Scheduler {
  private readonly draining = new AbortController();
  /** Loops that each run one job after the other. */
  private runners: Promise<void>[] = [];

  constructor(
    private readonly store: JobStore,
    private readonly attempt: Attempt,
    private readonly log: Logger,
    readonly limits: SchedulerLimits = SCHEDULER_DEFAULTS,
    /** Cleans up after a job that has ended. */
    private readonly cleanUp: (id: string) => Promise<void> = async () => {},
  ) {}

  /** Starts to run jobs, interrupted jobs of an earlier process first. */
  start(): void {
    this.runners = Array.from({ length: this.limits.running }, () => this.runJobs());
  }

  /**
   * Cancels a job: a waiting one at once, a running one within a step.
   *
   * @throws HifiError NOT_FOUND
   */
  async cancel(id: string): Promise<void> {
    if (hasEnded(await this.store.get(id))) return;
    await this.store.note(id, { kind: 'cancelling' });
    if (!(await this.store.isDriven(id))) await this.store.note(id, { kind: 'state', state: 'CANCELLED' });
  }

  /** Starts no more jobs and interrupts the running ones; the next process resumes them. */
  async drain(): Promise<void> {
    this.draining.abort();
    await Promise.all(this.runners);
  }

  private async runJobs(): Promise<void> {
    const { signal } = this.draining;
    while (!signal.aborted) {
      try {
        const claim = await this.store.claim(signal);
        if (claim) await this.runJob(claim);
      } catch (error) {
        this.log.error({ err: error }, 'the next job could not be run');
        // The job is still open: an immediate new attempt would fail in an endless loop.
        await delay(PAUSES.longest, undefined, { signal }).catch(() => {});
      }
    }
  }

  private async runJob(claim: Claim): Promise<void> {
    const { id } = claim;
    const controller = new AbortController();
    const abort = () => controller.abort();
    const forget = [onAbort(claim.over, abort), onAbort(this.draining.signal, abort)];
    this.log.info({ job: id }, 'a job starts or resumes');
    try {
      await this.drive(claim, controller.signal);
      const record = await this.store.get(id);
      this.log.info({ job: id, state: record.state }, 'a job has ended or was interrupted');
      if (hasEnded(record)) await this.cleanUp(id);
    } finally {
      for (const each of forget) each();
      await claim.release();
    }
  }

  private async drive(claim: Claim, signal: AbortSignal): Promise<void> {
    const { id } = claim;
    const note = (...happenings: Happening[]) => noteWhenRoom(claim, happenings, this.draining.signal, this.log);
    const isCancelled = async () => (await this.store.get(id)).cancelRequested === true;
    let lost = 0;
    const backoff = new Backoff(PAUSES);
    const absence = new Absence(this.limits.awayMs);
    const onAnswer: OnAnswer = (advanced) => {
      absence.answered();
      if (!advanced) return;
      lost = 0;
      backoff.reset();
    };
    for (;;) {
      if (await isCancelled()) {
        await note({ kind: 'state', state: 'CANCELLED' });
        return;
      }
      absence.begin();
      try {
        await this.attempt(claim, signal, onAnswer);
        return;
      } catch (thrown) {
        if (this.draining.signal.aborted) return;
        if (await isCancelled()) continue;
        if (claim.over.aborted) return; // another gateway has the job
        const error = causeOf(thrown);
        if (error.reason === 'ENGINE_LOST') lost++;
        const full = error.reason === 'DISK_FULL'; // a job waits for room without a limit
        const passing = isPassing(error) && lost < this.limits.lostEngines && !absence.isTooLong(error);
        const again = full || passing;
        this.log[again ? 'warn' : 'error']({ job: id, err: error, again }, 'an attempt at the job failed');
        if (!again) {
          await note({ kind: 'error', error: jobError(error) }, { kind: 'state', state: 'FAILED' });
          return;
        }
        const asked = full ? 0 : (error.details.retrySeconds ?? 0) * 1000;
        const pause = backoff.next();
        await delay(asked || pause, undefined, { signal }).catch(() => {});
      }
    }
  }
}

/** Returns a service's error if it caused the driver's error. */
function causeOf(thrown: unknown): RpcError {
  return rpcErrorOf(thrown instanceof HifiError && thrown.cause instanceof RpcError ? thrown.cause : thrown);
}

/**
 * Returns true if another attempt may succeed: the service was away or busy, or its engine died.
 */
const isPassing = ({ code, details }: RpcError) =>
  code === status.UNAVAILABLE ||
  code === status.ABORTED ||
  // A message that is too large stays too large: such an error has no retry delay.
  (code === status.RESOURCE_EXHAUSTED && details.retrySeconds !== undefined);

const jobError = ({ code, reason, message, details: { violations } }: RpcError): JobError => ({
  code,
  reason,
  message,
  ...(violations && { violations: violations.map(({ field, description }) => ({ field, description })) }),
});
