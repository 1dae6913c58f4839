import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import * as fs from 'node:fs';
import { cancelled, HifiError, isNoSpace } from '../foundation/errors';
import { JOB_PATH, type JobState } from '../job/job';
import { JobIndex } from './job-index';
import { type Accepted, JobTables } from './job-tables';
import { after, type Happening, hasEnded, type JobEventRecord, type JobRecord } from './record';
import { Watchers } from './watchers';

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

/** Unpublished event, with its position in the outbox. */
export interface Unpublished {
  position: number;
  event: JobEventRecord;
  /** Context of the job's root span. */
  traceparent: string | undefined;
}

/** Number of leading digits of an id that are its time: milliseconds since the epoch in base 36. */
const ID_TIME = 9;

/** Form of every id. Any other text is no job's id, and may be too long for a database key. */
const ID = /^[0-9a-z]{1,64}$/;

export const isJobId = (text: string) => ID.test(text);

/** States of the jobs that have not ended. */
const OPEN = JOB_PATH.filter((state) => !hasEnded({ state }));

/** Number of events that are read at once; a waiting reader holds no more of them. */
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
 * the outbox. So an interruption at any point loses no event and reports none twice.
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
   * @param publishes true if the outbox stores events for a publisher
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
   * Creates a job, once for each `requestId`.
   *
   * @param limit largest number of waiting jobs
   * @returns the job, and true if it is new
   * @throws what `refuse` throws
   */
  async create(job: NewJob, limit: number, refuse: Refusals): Promise<{ record: JobRecord; created: boolean }> {
    const now = Date.now();
    const result = await this.tables.transaction(() => {
      const { requests, specs } = this.tables;
      const accepted = requests.get(job.requestId);
      if (accepted) {
        if (accepted.specHash !== job.specHash) refuse.otherSpec(accepted.id);
        return { record: this.get(accepted.id), created: false };
      }
      if (this.isFull(limit)) refuse.full();
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
    if (result.created) this.notify(result.record.id);
    return result;
  }

  /** Returns the job that an earlier call with this `requestId` created. */
  accepted(requestId: string): Accepted | undefined {
    return this.tables.requests.get(requestId);
  }

  /**
   * Records a job's changes and, once they are committed, wakes the job's watchers.
   *
   * @throws HifiError NOT_FOUND; DISK_FULL, and then nothing is recorded or reported
   */
  async note(id: string, ...happenings: Happening[]): Promise<JobRecord> {
    const record = await this.tables.transaction(() => this.put(this.get(id), happenings, Date.now()));
    this.notify(id);
    return record;
  }

  /** Returns a job. @throws HifiError NOT_FOUND */
  get(id: string): JobRecord {
    const record = isJobId(id) ? this.tables.jobs.get(id) : undefined;
    if (record) return record;
    throw new HifiError('NOT_FOUND', `no job ${JSON.stringify(id.slice(0, 80))}`);
  }

  /** Returns a job's stored spec. @throws HifiError NOT_FOUND */
  spec(id: string): unknown {
    const spec = this.tables.specs.get(this.get(id).id);
    if (spec !== undefined) return spec;
    throw new HifiError('NOT_FOUND', `no job ${JSON.stringify(id)}`);
  }

  /**
   * Yields jobs, newest first.
   *
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
   *
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
    this.notify(id);
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

  /** Returns the first unpublished events in order, without those of deleted jobs. */
  unpublished(limit: number): Unpublished[] {
    const { outbox, events, jobs } = this.tables;
    const found: Unpublished[] = [];
    const gone: number[] = [];
    for (const { key, value } of outbox.getRange({ start: this.sent + 1 })) {
      if (found.length === limit) break;
      const event = events.get(value);
      if (event) found.push({ position: key, event, traceparent: jobs.get(value[0])?.traceparent });
      else gone.push(key);
    }
    // If this fails, the next call finds them again.
    if (gone.length > 0) this.removeFromOutbox(gone).catch(() => {});
    return found;
  }

  /**
   * Marks events up to a position as published. They are not returned again, even if the outbox has
   * no room for the change.
   */
  async published(position: number): Promise<void> {
    this.sent = Math.max(this.sent, position);
    try {
      await this.removeFromOutbox([...this.tables.outbox.getKeys({ end: this.sent + 1 })]);
    } catch (error) {
      if (!isNoSpace(error)) throw error; // a later call removes them
    }
  }

  /**
   * Yields a job's events from a sequence number on: past events, then new ones, up to the last.
   *
   * @throws HifiError NOT_FOUND if there is no such job; CANCELLED when `signal` aborts
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

  /** Calls back whenever any job changes. @returns a function that stops it */
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

  private notify(id: string): void {
    this.changes++;
    this.watchers.wake(id);
    this.emitter.emit('change', id);
  }

  /** Returns true if the queue is full. */
  private isFull(limit: number): boolean {
    let waiting = 0;
    for (const _ of this.index.ids(['QUEUED'], { latestFirst: false })) if (++waiting >= limit) return true;
    return waiting >= limit;
  }

  /**
   * Returns an id that sorts after all earlier ones, also within one millisecond. It is valid in a
   * NATS subject and a file name.
   */
  private newId(now: number): string {
    const [latest = ''] = this.tables.jobs.getKeys({ reverse: true, limit: 1 });
    const time = Math.max(now, Number.parseInt(latest.slice(0, ID_TIME), 36) + 1 || 0);
    return `${time.toString(36).padStart(ID_TIME, '0')}${randomBytes(7).toString('hex')}`;
  }

  /** Applies changes to a job; runs within a transaction. */
  private put(before: JobRecord, happenings: readonly Happening[], now: number): JobRecord {
    const { jobs, events: table, outbox, specs } = this.tables;
    const { record, events } = after(before, happenings, now);
    jobs.put(record.id, record);
    this.index.change(before, record, () => specs.get(record.id));
    let position = this.publishes ? this.lastPosition() : 0;
    for (const event of events) {
      table.put([record.id, event.sequence], event);
      if (this.publishes) outbox.put(++position, [record.id, event.sequence]);
    }
    return record;
  }

  /** Last position in the outbox. */
  private lastPosition(): number {
    const [last = 0] = this.tables.outbox.getKeys({ reverse: true, limit: 1 });
    return Math.max(last, this.sent);
  }

  private removeFromOutbox(positions: readonly number[]): Promise<void> {
    return this.tables.transaction(() => {
      for (const position of positions) this.tables.outbox.remove(position);
    });
  }
}
