import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import * as fs from 'node:fs';
import { cancelled, HifiError, isNoSpace } from '../foundation/errors';
import { JOB_PATH, type JobState } from '../job/job';
import { JobIndex } from './job-index';
import { type Accepted, JobTables } from './job-tables';
import { after, type Happening, hasEnded, type JobEventRecord, type JobRecord } from './record';
import { Watchers } from './watchers';

/** What a new job is made of. */
export interface NewJob {
  requestId: string;
  /** Form described in `stored-spec.ts`. */
  spec: unknown;
  /** Tells one spec from another. */
  specHash: string;
  traceparent: string | undefined;
}

/** Why a job is not taken in: each throws. */
export interface Refusals {
  /** As many jobs wait as may. */
  full(): never;
  /** The `requestId` is that of another job. */
  otherSpec(id: string): never;
}

/** An event that is still to be published, with its place in the order of all jobs' events. */
export interface Unpublished {
  place: number;
  event: JobEventRecord;
  /** Of the job's root span. */
  traceparent: string | undefined;
}

/** Digits of an id that are its time: milliseconds since the epoch, to base 36. */
const ID_TIME = 9;

/** Form of every id. Any other text is the id of no job, and may be too long for a database key. */
const ID = /^[0-9a-z]{1,64}$/;

export const isJobId = (text: string) => ID.test(text);

/** States of the jobs that have not ended. */
const OPEN = JOB_PATH.filter((state) => !hasEnded({ state }));

/** Events that are read at a time: a waiting reader holds no more of them. */
const EVENTS_PAGE = 100;

/** Events of a job that a watcher has read, and the number of changes of all jobs at that time. */
interface Read {
  id: string;
  from: number;
  changes: number;
  record: JobRecord;
  events: JobEventRecord[];
}

/**
 * Jobs in an embedded database. One transaction changes a job's record, its events, the indexes and
 * the outbox. So none is lost and none is reported twice, wherever the process is interrupted.
 */
export class JobStore {
  private readonly tables: JobTables;
  private readonly index: JobIndex;
  private readonly emitter = new EventEmitter().setMaxListeners(0);
  private readonly watchers = new Watchers();
  /** Last events that were read for a watcher. */
  private latest?: Read;
  /** Number of changes of all jobs so far. */
  private changes = 0;
  /** Position up to which events are published, though the outbox may still hold them. */
  private sent = 0;
  /** SHA-256 → number of holders of the file. */
  private readonly held = new Map<string, number>();

  /**
   * Opens a folder, or creates it. Converts a store of an earlier layout.
   *
   * @param publishes whether events are kept for a publisher
   * @throws HifiError DISK_FULL; FAILED for a store of a later version
   */
  constructor(
    folder: string,
    private readonly publishes: boolean,
  ) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.tables = new JobTables(folder, (tables, record, spec) => {
      tables.specs.put(record.id, spec);
      tables.jobs.put(record.id, record);
      new JobIndex(tables).add(record, spec);
    });
    this.index = new JobIndex(this.tables);
  }

  /**
   * Takes a job in, once for each `requestId`.
   *
   * @param limit how many jobs may wait
   * @returns the job, and whether it is new
   * @throws what `refuse` throws
   */
  async create(job: NewJob, limit: number, refuse: Refusals): Promise<{ record: JobRecord; created: boolean }> {
    const now = Date.now();
    const made = await this.tables.transaction(() => {
      const { requests, specs } = this.tables;
      const accepted = requests.get(job.requestId);
      if (accepted) {
        if (accepted.specHash !== job.specHash) refuse.otherSpec(accepted.id);
        return { record: this.get(accepted.id), created: false };
      }
      if (this.hasWaiting(limit)) refuse.full();
      const id = this.newId(now);
      requests.put(job.requestId, { id, specHash: job.specHash });
      specs.put(id, job.spec);
      const { requestId, spec, traceparent } = job;
      const record: JobRecord = {
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
      this.index.add(record, spec);
      return { record: this.put(record, [{ kind: 'state', state: 'QUEUED' }], now), created: true };
    });
    if (made.created) this.tell(made.record.id);
    return made;
  }

  /** The job that an earlier call with this `requestId` made. */
  accepted(requestId: string): Accepted | undefined {
    return this.tables.requests.get(requestId);
  }

  /**
   * Records what happened to a job and, once that is committed, wakes the job's watchers.
   *
   * @throws HifiError NOT_FOUND; DISK_FULL, and then nothing is recorded or reported
   */
  async note(id: string, ...happenings: Happening[]): Promise<JobRecord> {
    const record = await this.tables.transaction(() => this.put(this.get(id), happenings, Date.now()));
    this.tell(id);
    return record;
  }

  /** @throws HifiError NOT_FOUND */
  get(id: string): JobRecord {
    const record = isJobId(id) ? this.tables.jobs.get(id) : undefined;
    if (record) return record;
    throw new HifiError('NOT_FOUND', `no job ${JSON.stringify(id.slice(0, 80))}`);
  }

  /** Returns a job's spec as the client sent it. @throws HifiError NOT_FOUND */
  spec(id: string): unknown {
    const spec = this.tables.specs.get(this.get(id).id);
    if (spec !== undefined) return spec;
    throw new HifiError('NOT_FOUND', `no job ${JSON.stringify(id)}`);
  }

  /**
   * Yields jobs, newest first.
   * @param before id of the last job seen
   * @param states wanted states; all by default
   */
  *list(before?: string, states: readonly JobState[] = []): Generator<JobRecord> {
    const ids =
      states.length > 0
        ? this.index.ids(states, { latestFirst: true, before })
        : this.tables.jobs.getKeys({ reverse: true, ...(before !== undefined && { start: before }) });
    for (const id of ids) if (id !== before) yield this.get(id);
  }

  /** Ids of the jobs that have not ended, oldest first. */
  open(): Generator<string> {
    return this.index.ids(OPEN, { latestFirst: false });
  }

  /** Ids of the jobs that ended before a time, in milliseconds since the epoch. */
  endedBefore(time: number): string[] {
    return this.index.endedBefore(time);
  }

  /** Returns a job's stored events from a sequence number on; at most `most`. */
  eventsFrom(id: string, sequence: number, most = EVENTS_PAGE): JobEventRecord[] {
    const range = { start: [id, sequence], end: [id, Number.MAX_SAFE_INTEGER], limit: most } as const;
    return [...this.tables.events.getRange(range as never)].map(({ value }) => value);
  }

  /**
   * Deletes an ended job with its events.
   * @returns its files
   * @throws HifiError NOT_FOUND; DISK_FULL
   */
  async delete(id: string): Promise<Set<string>> {
    const files = await this.tables.transaction(() => {
      const { requests, events, jobs, specs } = this.tables;
      const record = this.get(id);
      const own = this.index.remove(record, this.spec(id));
      requests.remove(record.requestId);
      for (const key of [...events.getKeys({ start: [id, 0], end: [id, Number.MAX_SAFE_INTEGER] })]) events.remove(key);
      specs.remove(id);
      jobs.remove(id);
      return own;
    });
    this.tell(id);
    return files;
  }

  /** Holds an artifact that no job has yet. @returns a function that releases it */
  hold(sha256: string): () => void {
    const change = (by: number) => {
      const count = (this.held.get(sha256) ?? 0) + by;
      if (count > 0) this.held.set(sha256, count);
      else this.held.delete(sha256);
    };
    change(1);
    return () => change(-1);
  }

  /** Returns true if a job has an artifact, or something holds it. */
  uses(sha256: string): boolean {
    return this.held.has(sha256) || this.index.hasFile(sha256);
  }

  /** The first events that are still to be published, in order; those of a job that was deleted are left out. */
  unpublished(limit: number): Unpublished[] {
    const { outbox, events, jobs } = this.tables;
    const found: Unpublished[] = [];
    const gone: number[] = [];
    for (const { key, value } of outbox.getRange({ start: this.sent + 1 })) {
      if (found.length === limit) break;
      const event = events.get(value);
      if (event) found.push({ place: key, event, traceparent: jobs.get(value[0])?.traceparent });
      else gone.push(key);
    }
    // If this fails, the next call finds them again.
    if (gone.length > 0) this.takeOut(gone).catch(() => {});
    return found;
  }

  /**
   * Marks events up to a position as published. They are not offered again, even if the outbox has
   * no room for the change.
   */
  async published(place: number): Promise<void> {
    this.sent = Math.max(this.sent, place);
    try {
      await this.takeOut([...this.tables.outbox.getKeys({ end: this.sent + 1 })]);
    } catch (error) {
      if (!isNoSpace(error)) throw error; // a later call removes them
    }
  }

  /**
   * A job's events from a sequence number on: those that were, then those that come, until the last one.
   *
   * @throws HifiError NOT_FOUND where there is no such job, or no more; CANCELLED when `signal` aborts
   */
  async *watch(id: string, from: number, signal: AbortSignal): AsyncGenerator<JobEventRecord> {
    let next = from;
    while (!signal.aborted) {
      const change = this.watchers.next(id, signal);
      try {
        const { record, events } = this.read(id, next);
        for (const event of events) {
          yield event;
          next = event.sequence + 1;
        }
        if (events.length > 0) continue;
        if (hasEnded(record)) return;
        await change.come;
      } finally {
        change.forget();
      }
    }
    throw cancelled();
  }

  /** Calls back whenever any job changes. @returns stops that */
  onChange(changed: (id: string) => void): () => void {
    this.emitter.on('change', changed);
    return () => this.emitter.off('change', changed);
  }

  close(): Promise<void> {
    return this.tables.close();
  }

  /** Returns a job with a page of its events. Watchers that wake together share one read. */
  private read(id: string, from: number): Read {
    const { latest, changes } = this;
    if (latest?.id === id && latest.from === from && latest.changes === changes) return latest;
    const record = this.get(id);
    const events = from <= record.sequence ? this.eventsFrom(id, from) : [];
    this.latest = { id, from, changes, record, events };
    return this.latest;
  }

  private tell(id: string): void {
    this.changes++;
    this.watchers.wake(id);
    this.emitter.emit('change', id);
  }

  /** Returns true if the queue is full. */
  private hasWaiting(limit: number): boolean {
    let waiting = 0;
    for (const _ of this.index.ids(['QUEUED'], { latestFirst: false })) if (++waiting >= limit) return true;
    return waiting >= limit;
  }

  /** Sorts behind all that were given, also in one millisecond; fits for a NATS subject and a file's name. */
  private newId(now: number): string {
    const [latest = ''] = this.tables.jobs.getKeys({ reverse: true, limit: 1 });
    const time = Math.max(now, Number.parseInt(latest.slice(0, ID_TIME), 36) + 1 || 0);
    return `${time.toString(36).padStart(ID_TIME, '0')}${randomBytes(7).toString('hex')}`;
  }

  /** Within a transaction. */
  private put(before: JobRecord, happenings: readonly Happening[], now: number): JobRecord {
    const { jobs, events: table, outbox, specs } = this.tables;
    const { record, events } = after(before, happenings, now);
    jobs.put(record.id, record);
    this.index.change(before, record, () => specs.get(record.id));
    let place = this.publishes ? this.lastPlace() : 0;
    for (const event of events) {
      table.put([record.id, event.sequence], event);
      if (this.publishes) outbox.put(++place, [record.id, event.sequence]);
    }
    return record;
  }

  /** Position in the outbox. */
  private lastPlace(): number {
    const [last = 0] = this.tables.outbox.getKeys({ reverse: true, limit: 1 });
    return Math.max(last, this.sent);
  }

  private takeOut(places: readonly number[]): Promise<void> {
    return this.tables.transaction(() => {
      for (const place of places) this.tables.outbox.remove(place);
    });
  }
}
