import { setTimeout as delay } from 'node:timers/promises';
import { Backoff, type Pauses } from '../foundation/backoff';
import { HifiError } from '../foundation/errors';
import { onAbort } from '../foundation/on-abort';
import { Absence } from '../infra/grpc/absence';
import type { Room } from '../infra/grpc/workers';
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
  /** Largest number of waiting jobs. */
  waiting: number;
  /** Number of lost engines in a row, without new progress, after which a job fails. */
  lostEngines: number;
  /** Longest absence of an unreachable service, in milliseconds. */
  awayMs: number;
}

export const SCHEDULER_DEFAULTS: SchedulerLimits = { waiting: 100, lostEngines: 3, awayMs: 15 * 60_000 };

/** Largest number of waiting jobs of a store that several gateways share. */
export const SHARED_WAITING = 1_000_000;

/** Room for a fixed number of jobs at once. */
export const roomFor = (size: number): Room => ({
  size,
  change: (signal) => new Promise((settle) => void onAbort(signal, settle)),
});

/** Pauses between two attempts. */
const PAUSES: Pauses = { first: 500, longest: 5000 };

/**
 * Runs the jobs of a store in the order of their creation, as many at once as there is room for.
 * Makes as many attempts at a job as it needs.
 */
export class Scheduler {
  private readonly draining = new AbortController();
  private dispatching: Promise<void> | undefined;

  constructor(
    private readonly store: JobStore,
    private readonly attempt: Attempt,
    private readonly log: Logger,
    readonly limits: SchedulerLimits = SCHEDULER_DEFAULTS,
    /** By default the engines use all cores for one job. */
    private readonly room: Room = roomFor(1),
    /** Cleans up after a job that has ended. */
    private readonly cleanUp: (id: string) => Promise<void> = async () => {},
  ) {}

  /** Starts to run jobs, interrupted jobs of an earlier process first. */
  start(): void {
    this.dispatching = this.dispatch();
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
    await this.dispatching;
  }

  /** Starts the next job whenever there is room. Settles when the last one has ended. */
  private async dispatch(): Promise<void> {
    const { signal } = this.draining;
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      if (running.size >= this.room.size) {
        await this.roomOrEnd(running);
        continue;
      }
      const run = await this.claimed();
      if (!run) continue;
      const job = run().finally(() => running.delete(job));
      running.add(job);
    }
    await Promise.all(running);
  }

  private async roomOrEnd(running: Iterable<Promise<void>>): Promise<void> {
    const over = new AbortController();
    await Promise.race([...running, this.room.change(AbortSignal.any([this.draining.signal, over.signal]))]);
    over.abort();
  }

  /** Claims the next job. @returns function that runs it, and throws nothing */
  private async claimed(): Promise<(() => Promise<void>) | undefined> {
    const { signal } = this.draining;
    const failed = async (error: unknown) => {
      this.log.error({ err: error }, 'the next job could not be run');
      // The job is still open: an immediate new attempt would fail in an endless loop.
      await delay(PAUSES.longest, undefined, { signal }).catch(() => {});
    };
    try {
      const claim = await this.store.claim(signal);
      return claim && (() => this.runJob(claim).catch(failed));
    } catch (error) {
      await failed(error);
      return undefined;
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
