import { setTimeout as delay } from 'node:timers/promises';
import { Backoff, type Pauses } from '../foundation/backoff';
import { HifiError } from '../foundation/errors';
import { Absence } from '../infra/grpc/absence';
import type { Logger } from '../infra/log';
import { RpcError, rpcErrorOf, status } from '../proto/status';
import { noteWhenRoom } from './note-when-room';
import { type Happening, hasEnded, type JobError } from './record';
import type { JobStore } from './store';

/**
 * Receives each answer of a service: `advanced` is true if a later attempt need not repeat that
 * work.
 */
export type OnAnswer = (advanced: boolean) => void;

/** Runs a job once; see `attempt.ts`. */
export type Attempt = (id: string, signal: AbortSignal, onAnswer: OnAnswer) => Promise<void>;

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

/** Pauses between two attempts. */
const PAUSES: Pauses = { first: 500, longest: 5000 };

/**
 * Runs the jobs of a store in the order of their creation, a limited number at once. Makes as many
 * attempts at a job as it needs.
 */
export class Scheduler {
  /** Running jobs. */
  private readonly running = new Map<string, { controller: AbortController; done: Promise<void> }>();
  private readonly draining = new AbortController();
  private readonly stopWatching: () => void;

  constructor(
    private readonly store: JobStore,
    private readonly attempt: Attempt,
    private readonly log: Logger,
    readonly limits: SchedulerLimits = SCHEDULER_DEFAULTS,
  ) {
    this.stopWatching = store.onChange(() => this.next());
  }

  /** Starts the next jobs, interrupted jobs of an earlier process included. */
  next(): void {
    if (this.draining.signal.aborted || this.running.size >= this.limits.running) return;
    for (const id of this.store.open()) {
      if (!this.running.has(id)) this.startJob(id);
      if (this.running.size >= this.limits.running) return;
    }
  }

  /**
   * Cancels a job: a waiting one at once, a running one within a step.
   *
   * @throws HifiError NOT_FOUND
   */
  async cancel(id: string): Promise<void> {
    if (hasEnded(this.store.get(id))) return;
    await this.store.note(id, { kind: 'cancelling' });
    const running = this.running.get(id);
    if (running) running.controller.abort();
    else await this.store.note(id, { kind: 'state', state: 'CANCELLED' });
  }

  /** Starts no more jobs and interrupts the running ones; the next process resumes them. */
  async drain(): Promise<void> {
    this.draining.abort();
    this.stopWatching();
    for (const { controller } of this.running.values()) controller.abort();
    await Promise.all([...this.running.values()].map(({ done }) => done));
  }

  private startJob(id: string): void {
    const controller = new AbortController();
    this.log.info({ job: id }, 'a job starts or resumes');
    const done = this.drive(id, controller.signal)
      .catch(async (error) => {
        this.log.error({ job: id, err: error }, 'the job could not be run');
        // The job is still open: an immediate new attempt would fail in an endless loop.
        await delay(PAUSES.longest, undefined, { signal: this.draining.signal }).catch(() => {});
      })
      .then(() => {
        this.log.info({ job: id, state: this.store.get(id).state }, 'a job has ended or was interrupted');
        this.running.delete(id);
        this.next();
      });
    this.running.set(id, { controller, done });
  }

  private async drive(id: string, signal: AbortSignal): Promise<void> {
    const note = (happening: Happening) => noteWhenRoom(this.store, id, [happening], this.draining.signal, this.log);
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
      if (this.store.get(id).cancelRequested) {
        await note({ kind: 'state', state: 'CANCELLED' });
        return;
      }
      absence.begin();
      try {
        await this.attempt(id, signal, onAnswer);
        return;
      } catch (thrown) {
        if (this.draining.signal.aborted) return;
        if (this.store.get(id).cancelRequested) continue;
        const error = causeOf(thrown);
        if (error.reason === 'ENGINE_LOST') lost++;
        const full = error.reason === 'DISK_FULL'; // a job waits for room without a limit
        const passing = isPassing(error) && lost < this.limits.lostEngines && !absence.isTooLong(error);
        const again = full || passing;
        this.log[again ? 'warn' : 'error']({ job: id, err: error, again }, 'an attempt at the job failed');
        if (!again) {
          await note({ kind: 'failed', error: jobError(error) });
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
