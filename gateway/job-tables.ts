import * as os from 'node:os';
import { type Database, open, type RootDatabase } from 'lmdb';
import { failed, isNoSpace, noRoom } from '../foundation/errors';
import type { JobState } from '../job/job';
import type { JobEventRecord, JobRecord } from './record';
import type { NamedDelta } from './registry/named-delta';
import type { Accepted } from './store';

/**
 * Version of the layout below. A store without a version has the first layout, which stores each
 * spec in its job's record.
 */
const LAYOUT = 2;

/**
 * Codes that lmdb adds to the system's own errors of a full disk. EIO means that the system wrote a
 * part of the data. MDB_BAD_TXN means that an earlier write of the same commit failed (mdb.c).
 */
const HALF_WRITTEN: readonly unknown[] = [os.constants.errno.EIO, -30_782];

/** Tables of a job store, in one lmdb environment: a transaction changes all of them or none. */
export class JobTables {
  private readonly root: RootDatabase;
  /** id → the part of a job that changes. */
  readonly jobs: Database<JobRecord, string>;
  /** id → the job's spec, in the form of `stored-spec.ts`. Written once. */
  readonly specs: Database<unknown, string>;
  /** [id, sequence] → event. */
  readonly events: Database<JobEventRecord, [string, number]>;
  /** Position → key of an event that is still to be published. */
  readonly outbox: Database<[string, number], number>;
  /** request_id → job. */
  readonly requests: Database<Accepted, string>;
  /** [state, id]: the jobs in each state. */
  readonly states: Database<true, [JobState, string]>;
  /** [time of the last change, id]: the jobs that have ended. */
  readonly ended: Database<true, [number, string]>;
  /**
   * [SHA-256, id]: the jobs that have an artifact, as a result or in their spec. [SHA-256,
   * `NAME:`]: the registered deltas that have it.
   */
  readonly files: Database<true, [string, string]>;
  /** Name → registered delta. */
  readonly deltas: Database<NamedDelta, string>;
  /** `version` of this layout; revision of the registered `deltas`. */
  readonly marks: Database<number, string>;

  /**
   * Opens the tables and converts a store of the first layout in one transaction.
   *
   * @param convert adds one job's record and spec in the current layout; called within that
   *   transaction
   * @throws HifiError FAILED for a store of a later version; DISK_FULL
   */
  constructor(folder: string, convert: (tables: JobTables, record: JobRecord, spec: unknown) => void) {
    try {
      // With batching by event turn, lmdb-js creates a promise for each batch and handles no
      // rejection of it: one failed commit would end the process.
      this.root = open({ path: folder, encoding: 'json', maxDbs: 16, eventTurnBatching: false });
      this.jobs = this.root.openDB('jobs', { encoding: 'json' });
      this.specs = this.root.openDB('specs', { encoding: 'json' });
      this.events = this.root.openDB('events', { encoding: 'json' });
      this.outbox = this.root.openDB('outbox', { encoding: 'json' });
      this.requests = this.root.openDB('requests', { encoding: 'json' });
      this.states = this.root.openDB('states', { encoding: 'json' });
      this.ended = this.root.openDB('ended', { encoding: 'json' });
      this.files = this.root.openDB('files', { encoding: 'json' });
      this.deltas = this.root.openDB('deltas', { encoding: 'json' });
      this.marks = this.root.openDB('layout', { encoding: 'json' });
      const found = this.marks.get('version') ?? 1;
      if (found > LAYOUT)
        throw failed(`the job store has layout ${found}; this version of hifi knows ${LAYOUT} at most`);
      if (found < LAYOUT) this.root.transactionSync(() => this.convert(convert));
    } catch (error) {
      throw isNoSpace(error) ? noSpaceFor(error) : error;
    }
  }

  /**
   * Runs `work` in a write transaction; settles when it is committed.
   *
   * @param work may throw only before its first change
   * @throws HifiError DISK_FULL if there is no room; nothing has changed then
   */
  async transaction<T>(work: () => T): Promise<T> {
    try {
      return await this.root.transaction(work);
    } catch (thrown) {
      // lmdb-js rejects each write with an error that holds a second promise, which rejects with
      // the cause. An unhandled second one would end the process.
      const { commitError } = thrown as { commitError?: Promise<never> };
      const cause: unknown = commitError ? await commitError.catch((error) => error) : thrown;
      const isHalf = commitError !== undefined && HALF_WRITTEN.includes((cause as { code?: unknown }).code);
      throw isHalf || isNoSpace(cause) ? noSpaceFor(cause) : cause;
    }
  }

  close(): Promise<void> {
    return this.root.close();
  }

  private convert(file: (tables: JobTables, record: JobRecord, spec: unknown) => void): void {
    for (const id of [...this.jobs.getKeys()]) {
      const { spec, ...record } = this.jobs.get(id) as JobRecord & { spec: unknown };
      file(this, record, spec);
    }
    this.marks.put('version', LAYOUT);
  }
}

const noSpaceFor = (cause: unknown) => noRoom('the job store has no room on its disk; make room and try again', cause);
