import { randomBytes } from 'node:crypto';
import { HifiError } from '../foundation/errors';
import type { JobState } from '../job/job';
import { RpcError, status } from '../proto/status';
import type { Happening, JobEventRecord, JobRecord } from './record';
import type { DeltaStore } from './registry/delta-store';

/** Content of a new job. */
export interface NewJob {
  requestId: string;
  /** Form described in `stored-spec.ts`. */
  spec: unknown;
  /** SHA-256 of the client's spec. */
  specHash: string;
  traceparent: string | undefined;
}

/** Reasons to refuse a job: each function throws. */
export interface Refusals {
  /** The queue is full. */
  full(): never;
  /** The `requestId` belongs to a job with another spec. */
  otherSpec(id: string): never;
}

/** Job that a `request_id` created. */
export interface Accepted {
  id: string;
  specHash: string;
}

/** Right to drive a job: only its holder runs the job. */
export interface Claim {
  readonly id: string;
  /** Aborts when the job's cancellation is requested, and when another gateway has the job. */
  readonly over: AbortSignal;
  /**
   * Records the job's changes, as {@link JobStore.note} does.
   *
   * @throws HifiError CANCELLED if another gateway has the job
   */
  note(...happenings: Happening[]): Promise<JobRecord>;
  /** Returns an unfinished job to the queue; an ended one has left it. */
  release(): Promise<void>;
}

/** Records, events and queue of all jobs, and the registered deltas. */
export interface JobStore {
  readonly deltas: DeltaStore;

  /** True if other gateways use the store too: they may hold a file that no job has yet. */
  readonly shared: boolean;

  /**
   * Creates a job, once for each `requestId`.
   *
   * @param limit largest number of waiting jobs
   * @returns the job, and true if it is new
   * @throws what `refuse` throws
   */
  create(job: NewJob, limit: number, refuse: Refusals): Promise<{ record: JobRecord; created: boolean }>;

  /** Returns the job that an earlier call with this `requestId` created. */
  accepted(requestId: string): Promise<Accepted | undefined>;

  /**
   * Records a job's changes, all or none, and then wakes the job's watchers.
   *
   * @throws HifiError NOT_FOUND; DISK_FULL, and then nothing is recorded or reported
   */
  note(id: string, ...happenings: Happening[]): Promise<JobRecord>;

  /** Returns a job. @throws HifiError NOT_FOUND */
  get(id: string): Promise<JobRecord>;

  /** Returns a job's stored spec. @throws HifiError NOT_FOUND */
  spec(id: string): Promise<unknown>;

  /**
   * Yields jobs, newest first.
   *
   * @param before id of the last job seen
   * @param states wanted states; all by default
   */
  list(before?: string, states?: readonly JobState[]): AsyncGenerator<JobRecord>;

  /** Ids of the jobs that ended before a time, in milliseconds since the epoch. */
  endedBefore(time: number): Promise<string[]>;

  /**
   * Yields a job's events from a sequence number on: past events, then new ones, up to the last.
   *
   * @throws HifiError NOT_FOUND if there is no such job; CANCELLED when `signal` aborts
   */
  watch(id: string, from: number, signal: AbortSignal): AsyncGenerator<JobEventRecord>;

  /** Calls back whenever any job changes. @returns a function that stops it */
  onChange(changed: (id: string) => void): () => void;

  /**
   * Deletes an ended job with its events.
   *
   * @returns its files
   * @throws HifiError NOT_FOUND; DISK_FULL
   */
  delete(id: string): Promise<Set<string>>;

  /**
   * Claims the oldest job that has not ended and has no driver; waits for one.
   *
   * @returns undefined when `signal` aborts
   */
  claim(signal: AbortSignal): Promise<Claim | undefined>;

  /** Returns true if a gateway drives the job. */
  isDriven(id: string): Promise<boolean>;

  /** Holds an artifact that no job has yet. @returns a function that releases it */
  hold(sha256: string): () => void;

  /**
   * Returns true if a job or a registered delta has an artifact, or something of this process holds
   * it.
   */
  uses(sha256: string): Promise<boolean>;

  close(): Promise<void>;
}

/** Number of leading digits of an id that are its time: milliseconds since the epoch in base 36. */
const ID_TIME = 9;

/** Form of every id. Any other text is no job's id, and may be too long for a database key. */
const ID = /^[0-9a-z]{1,64}$/;

export const isJobId = (text: string) => ID.test(text);

/**
 * Returns an id that sorts after an earlier one, also within one millisecond. It is valid in a NATS
 * subject and a file name.
 *
 * @param latest greatest id so far; empty if there is none
 */
export function newJobId(now: number, latest: string): string {
  const time = Math.max(now, Number.parseInt(latest.slice(0, ID_TIME), 36) + 1 || 0);
  return `${time.toString(36).padStart(ID_TIME, '0')}${randomBytes(7).toString('hex')}`;
}

/** Error of an id that no job has. */
export const noJob = (id: string) => new HifiError('NOT_FOUND', `no job ${JSON.stringify(id.slice(0, 80))}`);

/** Retry delay for a client while the store is away, in seconds. */
const RETRY_SECONDS = 2;
const STORE_AWAY = 'STORE_AWAY';

/** Error of a store whose server cannot be reached: a later call may succeed. */
export const storeAway = (cause?: unknown) =>
  new RpcError(status.UNAVAILABLE, STORE_AWAY, 'the job store is away; try again', {
    retrySeconds: RETRY_SECONDS,
    cause,
  });

export const isStoreAway = (error: unknown) => error instanceof RpcError && error.reason === STORE_AWAY;

/** Files that something of this process relies on before a job's record names them. */
export class HeldFiles {
  /** SHA-256 → number of holders. */
  private readonly held = new Map<string, number>();

  /** Holds a file. @returns a function that releases it */
  hold(sha256: string): () => void {
    const change = (by: number) => {
      const count = (this.held.get(sha256) ?? 0) + by;
      if (count > 0) this.held.set(sha256, count);
      else this.held.delete(sha256);
    };
    change(1);
    return () => change(-1);
  }

  has(sha256: string): boolean {
    return this.held.has(sha256);
  }
}

/** Record of a job that has just been created, before its first event. */
export function newRecord(id: string, { requestId, traceparent }: NewJob, now: number): JobRecord {
  return {
    id,
    requestId,
    state: 'QUEUED',
    attempt: 0,
    ...(traceparent !== undefined && { traceparent }),
    epochs: 0,
    artifacts: [],
    warnings: [],
    createTime: now,
    updateTime: now,
    sequence: 0,
    progressTime: 0,
  };
}
