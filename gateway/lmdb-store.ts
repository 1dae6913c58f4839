import { EventEmitter } from 'node:events';
import * as fs from 'node:fs';
import { isNoSpace } from '../foundation/errors';
import { JOB_PATH, type JobState } from '../job/job';
import { JobIndex } from './job-index';
import { JobTables } from './job-tables';
import { LmdbDeltas } from './lmdb-deltas';
import { after, type Happening, hasEnded, type JobEventRecord, type JobRecord } from './record';
import {
  type Accepted,
  type Claim,
  HeldFiles,
  isJobId,
  type JobStore,
  type NewJob,
  newJobId,
  newRecord,
  noJob,
  type Refusals,
} from './store';
import { Watchers } from './watchers';

/** Unpublished event, with its position in the outbox. */
export interface Unpublished {
  position: number;
  event: JobEventRecord;
  /** Context of the job's root span. */
  traceparent: string | undefined;
}

/** States of the jobs that have not ended. */
const OPEN = JOB_PATH.filter((state) => !hasEnded({ state }));

/** Name under which drivers wait for a job; no job has it. */
const QUEUE = '';

/** Number of events that are read at once; a waiting reader holds no more of them. */
const EVENTS_PAGE = 100;

/** Number of jobs that a list reads at once. */
const JOBS_PAGE = 64;

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
export class LmdbStore implements JobStore {
  readonly shared = false;
  readonly deltas: LmdbDeltas;
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
  private readonly files = new HeldFiles();
  /** Jobs that this process drives, with the end of their claims. */
  private readonly claimed = new Map<string, AbortController>();

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
    this.deltas = new LmdbDeltas(this.tables);
  }

  async create(job: NewJob, limit: number, refuse: Refusals): Promise<{ record: JobRecord; created: boolean }> {
    const now = Date.now();
    const result = await this.tables.transaction(() => {
      const { requests, specs } = this.tables;
      const accepted = requests.get(job.requestId);
      if (accepted) {
        if (accepted.specHash !== job.specHash) refuse.otherSpec(accepted.id);
        return { record: this.read(accepted.id), created: false };
      }
      if (this.isFull(limit)) refuse.full();
      const [latest = ''] = this.tables.jobs.getKeys({ reverse: true, limit: 1 });
      const record = newRecord(newJobId(now, latest), job, now);
      requests.put(job.requestId, { id: record.id, specHash: job.specHash });
      specs.put(record.id, job.spec);
      this.index.add(record, job.spec);
      return { record: this.put(record, [{ kind: 'state', state: 'QUEUED' }], now), created: true };
    });
    if (result.created) this.notify(result.record.id);
    return result;
  }

  async accepted(requestId: string): Promise<Accepted | undefined> {
    return this.tables.requests.get(requestId);
  }

  async note(id: string, ...happenings: Happening[]): Promise<JobRecord> {
    const record = await this.tables.transaction(() => this.put(this.read(id), happenings, Date.now()));
    this.notify(id);
    if (record.cancelRequested) this.claimed.get(id)?.abort();
    return record;
  }

  async get(id: string): Promise<JobRecord> {
    return this.read(id);
  }

  async spec(id: string): Promise<unknown> {
    return this.readSpec(id);
  }

  async *list(before?: string, states: readonly JobState[] = []): AsyncGenerator<JobRecord> {
    let last = before;
    for (;;) {
      // A page is read at once: jobs may be deleted while a reader has one.
      const page = [...this.jobsAfter(last, states)];
      yield* page;
      if (page.length < JOBS_PAGE) return;
      last = page[page.length - 1].id;
    }
  }

  async endedBefore(time: number): Promise<string[]> {
    return this.index.endedBefore(time);
  }

  async claim(signal: AbortSignal): Promise<Claim | undefined> {
    while (!signal.aborted) {
      const change = this.watchers.next(QUEUE, signal);
      try {
        for (const id of this.index.ids(OPEN, { latestFirst: false }))
          if (!this.claimed.has(id)) return this.claimOf(id);
        await change.come;
      } finally {
        change.forget();
      }
    }
    return undefined;
  }

  async isDriven(id: string): Promise<boolean> {
    return this.claimed.has(id);
  }

  /** Returns a job's stored events from a sequence number on; at most `most`. */
  eventsFrom(id: string, sequence: number, most = EVENTS_PAGE): JobEventRecord[] {
    const range = { start: [id, sequence], end: [id, Number.MAX_SAFE_INTEGER], limit: most } as const;
    return [...this.tables.events.getRange(range as never)].map(({ value }) => value);
  }

  async delete(id: string): Promise<Set<string>> {
    const files = await this.tables.transaction(() => {
      const { requests, events, jobs, specs } = this.tables;
      const record = this.read(id);
      const own = this.index.remove(record, this.readSpec(id));
      requests.remove(record.requestId);
      for (const key of [...events.getKeys({ start: [id, 0], end: [id, Number.MAX_SAFE_INTEGER] })]) events.remove(key);
      specs.remove(id);
      jobs.remove(id);
      return own;
    });
    this.notify(id);
    return files;
  }

  hold(sha256: string): () => void {
    return this.files.hold(sha256);
  }

  async uses(sha256: string): Promise<boolean> {
    return this.files.has(sha256) || this.index.hasFile(sha256);
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

  watch(id: string, from: number, signal: AbortSignal): AsyncGenerator<JobEventRecord> {
    let next = from;
    const page = (at: number) => this.page(id, at);
    return this.watchers.follow(id, signal, async function* () {
      for (;;) {
        const { record, events } = page(next);
        for (const event of events) {
          yield event;
          next = event.sequence + 1;
        }
        if (events.length === 0) return hasEnded(record);
      }
    });
  }

  onChange(changed: (id: string) => void): () => void {
    this.emitter.on('change', changed);
    return () => this.emitter.off('change', changed);
  }

  close(): Promise<void> {
    return this.tables.close();
  }

  private read(id: string): JobRecord {
    const record = isJobId(id) ? this.tables.jobs.get(id) : undefined;
    if (record) return record;
    throw noJob(id);
  }

  private readSpec(id: string): unknown {
    const spec = this.tables.specs.get(this.read(id).id);
    if (spec !== undefined) return spec;
    throw noJob(id);
  }

  /** Yields a page of jobs, newest first, after that of an id. */
  private *jobsAfter(before: string | undefined, states: readonly JobState[]): Generator<JobRecord> {
    const ids =
      states.length > 0
        ? this.index.ids(states, { latestFirst: true, before })
        : this.tables.jobs.getKeys({ reverse: true, ...(before !== undefined && { start: before }) });
    let count = 0;
    for (const id of ids) {
      if (id === before) continue;
      yield this.read(id);
      if (++count === JOBS_PAGE) return;
    }
  }

  private claimOf(id: string): Claim {
    const over = new AbortController();
    this.claimed.set(id, over);
    return {
      id,
      over: over.signal,
      note: (...happenings) => this.note(id, ...happenings),
      release: async () => {
        this.claimed.delete(id);
        this.watchers.wake(QUEUE);
      },
    };
  }

  /** Returns a job with a page of its events. Watchers that wake together share one read. */
  private page(id: string, from: number): Read {
    const { latest, changes } = this;
    if (latest?.id === id && latest.from === from && latest.changes === changes) return latest;
    const record = this.read(id);
    const events = from <= record.sequence ? this.eventsFrom(id, from) : [];
    this.latest = { id, from, changes, record, events };
    return this.latest;
  }

  private notify(id: string): void {
    this.changes++;
    this.watchers.wake(id);
    this.watchers.wake(QUEUE);
    this.emitter.emit('change', id);
  }

  /** Returns true if the queue is full. */
  private isFull(limit: number): boolean {
    let waiting = 0;
    for (const _ of this.index.ids(['QUEUED'], { latestFirst: false })) if (++waiting >= limit) return true;
    return waiting >= limit;
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
