import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import * as fs from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import { cancelled, HifiError } from '../errors';
import { after, type Happening, hasEnded, type JobEventRecord, type JobRecord } from './record';

/** What a new job is made of. */
export interface NewJob {
  requestId: string;
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

/** What `requests` holds. */
interface Accepted {
  id: string;
  specHash: string;
}

/**
 * The jobs, in an embedded database. A job's record, its events and what is to be published of them change in one transaction,
 * so that none is lost and none is told twice, wherever the process is cut.
 */
export class JobStore {
  private readonly root: RootDatabase;
  /** id → record. */
  private readonly jobs: Database<JobRecord, string>;
  /** [id, sequence] → event. */
  private readonly events: Database<JobEventRecord, [string, number]>;
  /** Place → the event's key. */
  private readonly outbox: Database<[string, number], number>;
  /** request_id → job. */
  private readonly requests: Database<Accepted, string>;
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  /**
   * @param folder is made where it is not there
   * @param publishes whether events are kept for a publisher
   */
  constructor(
    folder: string,
    private readonly publishes: boolean,
  ) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.root = open({ path: folder, encoding: 'json', maxDbs: 4 });
    this.jobs = this.root.openDB('jobs', { encoding: 'json' });
    this.events = this.root.openDB('events', { encoding: 'json' });
    this.outbox = this.root.openDB('outbox', { encoding: 'json' });
    this.requests = this.root.openDB('requests', { encoding: 'json' });
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
    const made = await this.transaction(() => {
      const accepted = this.requests.get(job.requestId);
      if (accepted) {
        if (accepted.specHash !== job.specHash) refuse.otherSpec(accepted.id);
        return { record: this.get(accepted.id), created: false };
      }
      if (this.count((record) => record.state === 'QUEUED') >= limit) refuse.full();
      const id = this.newId(now);
      this.requests.put(job.requestId, { id, specHash: job.specHash });
      const { requestId, spec, traceparent } = job;
      const record: JobRecord = {
        id,
        requestId,
        spec,
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
      return { record: this.put(after(record, [{ kind: 'state', state: 'QUEUED' }], now)), created: true };
    });
    if (made.created) this.emitter.emit('change', made.record.id);
    return made;
  }

  /** The job that an earlier call with this `requestId` made. */
  accepted(requestId: string): Accepted | undefined {
    return this.requests.get(requestId);
  }

  /** Notes what happened to a job, and tells those who watch it. @throws HifiError NOT_FOUND */
  async note(id: string, ...happenings: Happening[]): Promise<JobRecord> {
    const record = await this.transaction(() => this.put(after(this.get(id), happenings, Date.now())));
    this.emitter.emit('change', id);
    return record;
  }

  /** @throws HifiError NOT_FOUND */
  get(id: string): JobRecord {
    const record = this.jobs.get(id);
    if (record) return record;
    throw new HifiError('NOT_FOUND', `no job ${JSON.stringify(id.slice(0, 80))}`);
  }

  /** The latest first; `before` is the id of the last one seen. */
  *list(before?: string): Generator<JobRecord> {
    for (const { value } of this.jobs.getRange({ reverse: true, ...(before !== undefined && { start: before }) })) {
      if (value.id !== before) yield value;
    }
  }

  count(which: (record: JobRecord) => boolean): number {
    let count = 0;
    for (const { value } of this.jobs.getRange({})) if (which(value)) count++;
    return count;
  }

  /** A job's events from a sequence number on, as far as they are there. */
  eventsFrom(id: string, sequence: number): JobEventRecord[] {
    const range = this.events.getRange({ start: [id, sequence], end: [id, Number.MAX_SAFE_INTEGER] });
    return [...range].map(({ value }) => value);
  }

  /** Forgets a job that has ended, with its events. */
  async delete(id: string): Promise<void> {
    await this.transaction(() => {
      const { requestId } = this.get(id);
      this.requests.remove(requestId);
      for (const key of [...this.events.getKeys({ start: [id, 0], end: [id, Number.MAX_SAFE_INTEGER] })]) {
        this.events.remove(key);
      }
      this.jobs.remove(id);
    });
    this.emitter.emit('change', id);
  }

  /** The first events that are still to be published, in order; those of a job that was deleted are left out. */
  unpublished(limit: number): Unpublished[] {
    const found: Unpublished[] = [];
    for (const { key, value } of this.outbox.getRange({})) {
      if (found.length === limit) break;
      const event = this.events.get(value);
      const traceparent = this.jobs.get(value[0])?.traceparent;
      if (event) found.push({ place: key, event, traceparent });
      else void this.outbox.remove(key);
    }
    return found;
  }

  /** Events up to a place were published. */
  async published(place: number): Promise<void> {
    await this.transaction(() => {
      for (const key of [...this.outbox.getKeys({ end: place + 1 })]) this.outbox.remove(key);
    });
  }

  /**
   * A job's events from a sequence number on: those that were, then those that come, until the last one.
   *
   * @throws HifiError NOT_FOUND where there is no such job, or no more; CANCELLED when `signal` aborts
   */
  async *watch(id: string, from: number, signal: AbortSignal): AsyncGenerator<JobEventRecord> {
    let next = from;
    while (!signal.aborted) {
      const change = this.nextChange(id, signal);
      try {
        const record = this.get(id);
        for (const event of this.eventsFrom(id, next)) {
          yield event;
          next = event.sequence + 1;
        }
        // The record was read first: all events of a job that had ended then were seen.
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

  async close(): Promise<void> {
    await this.root.close();
  }

  /** Sorts behind all that were given, also in one millisecond; fits for a NATS subject and a file's name. */
  private newId(now: number): string {
    const [latest = ''] = this.jobs.getKeys({ reverse: true, limit: 1 });
    const time = Math.max(now, Number.parseInt(latest.slice(0, ID_TIME), 36) + 1 || 0);
    return `${time.toString(36).padStart(ID_TIME, '0')}${randomBytes(7).toString('hex')}`;
  }

  /** @returns `come` settles at the job's next change and when the signal aborts; `forget` waits no more */
  private nextChange(id: string, signal: AbortSignal): { come: Promise<void>; forget: () => void } {
    let forget = () => {};
    const come = new Promise<void>((resolve) => {
      forget = () => {
        this.emitter.off('change', changed);
        signal.removeEventListener('abort', forget);
        resolve();
      };
      const changed = (which: string) => which === id && forget();
      this.emitter.on('change', changed);
      signal.addEventListener('abort', forget, { once: true });
    });
    return { come, forget };
  }

  /** Within a transaction. */
  private put({ record, events }: ReturnType<typeof after>): JobRecord {
    this.jobs.put(record.id, record);
    let place = this.publishes ? this.lastPlace() : 0;
    for (const event of events) {
      this.events.put([record.id, event.sequence], event);
      if (this.publishes) this.outbox.put(++place, [record.id, event.sequence]);
    }
    return record;
  }

  /** Of what is still to be published: an outbox that is empty begins anew. */
  private lastPlace(): number {
    const [last] = this.outbox.getKeys({ reverse: true, limit: 1 });
    return last ?? 0;
  }

  /** @param work throws, if at all, before it has changed anything */
  private async transaction<T>(work: () => T): Promise<T> {
    return this.root.transaction(work);
  }
}
