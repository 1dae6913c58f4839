import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { HifiError } from '../../foundation/errors';
import type { Logger } from '../../infra/log';
import { natsAddress } from '../../infra/nats';
import type { JobState } from '../../job/job';
import { ALL_SUBJECTS, EVENT_STREAM } from '../nats-events';
import { type Happening, hasEnded, type JobEventRecord, type JobRecord } from '../record';
import {
  type Accepted,
  type Claim,
  HeldFiles,
  isJobId,
  isStoreAway,
  type JobStore,
  type NewJob,
  newJobId,
  noJob,
  type Refusals,
  storeAway,
} from '../store';
import { Watchers } from '../watchers';
import { JetStreamDeltas } from './deltas';
import { appended, applied, createdJob, type Entry, eventIn, type Job, type Stored, writerOf } from './job-log';
import { createLayout, fileSubject, jobIn, jobSubjects, LEASE_MS, requestSubject, STATE_SUBJECTS } from './layout';
import { Conflict, type Session, Sessions } from './session';
import { StateIndex } from './state-index';
import { WorkQueue } from './work';

/** Number of jobs whose records are cached. */
const MOST_CACHED = 1_000;
/** Number of a job's messages that a watcher reads at once. */
const EVENTS_PAGE = 100;
/** Interval in which jobs without an offer are looked for, in milliseconds. */
const REPAIR_MS = 20_000;
/** Age of an open job from which on it must be offered, in milliseconds. */
const OFFERED_MS = 10_000;
/** Pause for a leader that is behind, in milliseconds. */
const BEHIND_MS = 250;
/** Number of attempts at a write whose outcome is unknown. */
const TRIES = 3;

/**
 * Jobs in NATS JetStream, for any number of gateways. A job is the messages of its subjects; its
 * record is computed from them. One change is one atomic batch that expects the last sequence which
 * its writer has seen, so that no writer overwrites another's work.
 */
export class JetStreamStore implements JobStore {
  readonly shared = true;
  readonly deltas: JetStreamDeltas;
  private readonly sessions: Sessions;
  private readonly queue: WorkQueue;
  private readonly index = new StateIndex();
  private readonly emitter = new EventEmitter().setMaxListeners(0);
  private readonly watchers = new Watchers();
  private readonly held = new HeldFiles();
  /** Latest known jobs, the least recently used first. */
  private readonly cache = new Map<string, Job>();
  /** Greatest sequence number of the stream that this gateway has seen. */
  private seen = 0;
  /** Id of the last job that this gateway has begun to create. */
  private newest = '';
  private timer: NodeJS.Timeout | undefined;
  /** True once all open jobs are offered. */
  private repaired = false;
  private closed = false;

  private constructor(
    url: string,
    private readonly log: Logger,
    private readonly leaseMs: number,
  ) {
    this.sessions = new Sessions(natsAddress(url), log, (session) => this.follow(session));
    this.deltas = new JetStreamDeltas(this.sessions);
    const jobs = {
      get: (id: string) => this.get(id),
      note: (id: string, attempt: number, happenings: readonly Happening[]) => this.change(id, happenings, attempt),
    };
    this.queue = new WorkQueue(this.sessions, jobs, log, leaseMs);
  }

  /**
   * Opens the store of a NATS server or cluster; waits until it is there.
   *
   * @param leaseMs lifetime of a lease without a renewal; the same for all gateways of a store
   * @throws HifiError INVALID_INPUT for an invalid address, or a server that cannot be used
   */
  static async open(url: string, log: Logger, leaseMs = LEASE_MS): Promise<JetStreamStore> {
    const store = new JetStreamStore(url, log, leaseMs);
    try {
      await store.sessions.start();
      await store.repair();
    } catch (error) {
      await store.close();
      throw error;
    }
    store.timer = setInterval(
      () =>
        void store
          .repair()
          .catch((error) => log.error({ err: error }, 'jobs without an offer could not be looked for')),
      REPAIR_MS,
    ).unref();
    return store;
  }

  async create(given: NewJob, limit: number, refuse: Refusals): Promise<{ record: JobRecord; created: boolean }> {
    const subject = requestSubject(given.requestId);
    const now = Date.now();
    const id = newJobId(now, [this.index.latest, this.newest].sort()[1]);
    this.newest = id;
    for (;;) {
      const request = await this.sessions.read((session) => session.last(subject));
      const accepted = request && (JSON.parse(request.string()) as Accepted);
      if (accepted) {
        if (accepted.specHash !== given.specHash) refuse.otherSpec(accepted.id);
        return { record: await this.get(accepted.id), created: false };
      }
      if (this.index.waiting >= limit) refuse.full();
      const { job, entries } = createdJob(id, given, now, this.writer());
      const body = JSON.stringify({ id, specHash: given.specHash } satisfies Accepted);
      const first: Entry = { subject, body, headers: headers() };
      try {
        const last = await this.sessions.use((session) => session.append([first, ...entries], { subject, last: 0 }));
        this.remember({ ...job, last });
      } catch (error) {
        if (error instanceof Conflict) continue;
        throw error;
      }
      // The job is stored, so its caller need not wait. If the offer fails, `repair` of any gateway
      // makes it.
      void this.queue.add(id).catch((error) => this.log.warn({ job: id, err: error }, 'a new job is not offered yet'));
      return { record: job.record, created: true };
    }
  }

  async accepted(requestId: string): Promise<Accepted | undefined> {
    const request = await this.sessions.read((session) => session.last(requestSubject(requestId)));
    return request && (JSON.parse(request.string()) as Accepted);
  }

  async note(id: string, ...happenings: Happening[]): Promise<JobRecord> {
    return this.change(id, happenings);
  }

  async get(id: string): Promise<JobRecord> {
    return (await this.job(id)).record;
  }

  async spec(id: string): Promise<unknown> {
    // A spec never changes.
    return (this.cache.get(id) ?? (await this.job(id))).spec;
  }

  async *list(before?: string, states: readonly JobState[] = []): AsyncGenerator<JobRecord> {
    for (const id of this.index.ids(before, states)) {
      try {
        yield await this.get(id);
      } catch (error) {
        if (HifiError.from(error).code !== 'NOT_FOUND') throw error; // another gateway has deleted it
      }
    }
  }

  async endedBefore(time: number): Promise<string[]> {
    return this.index.endedBefore(time);
  }

  watch(id: string, from: number, signal: AbortSignal): AsyncGenerator<JobEventRecord> {
    let next = from;
    /** Sequence number in the stream of the last message that was read. */
    let read = 0;
    const job = () => this.job(id);
    const messages = (after: number, last: number) =>
      this.sessions.read((session) => session.messages(jobSubjects(id), after, last, EVENTS_PAGE));
    return this.watchers.follow(id, signal, async function* () {
      const { record, last } = await job();
      while (read < last && !signal.aborted) {
        const page = await messages(read + 1, last);
        if (page.length === 0) {
          // A new leader is behind for a moment; if the job has been deleted, this fails.
          await job();
          await delay(BEHIND_MS, undefined, { signal }).catch(() => {});
        }
        for (const message of page) {
          const event = eventIn(message);
          read = message.seq;
          if (!event || event.sequence < next) continue;
          yield event;
          next = event.sequence + 1;
        }
      }
      return hasEnded(record);
    });
  }

  onChange(changed: (id: string) => void): () => void {
    this.emitter.on('change', changed);
    return () => this.emitter.off('change', changed);
  }

  async delete(id: string): Promise<Set<string>> {
    const { record, files } = await this.job(id);
    await this.queue.remove(id);
    // The job is the last, so that an interrupted deletion can be repeated.
    await this.forgetRequest(record);
    for (const filter of [...[...files].map((sha256) => fileSubject(sha256, id)), jobSubjects(id)]) {
      await this.sessions.use(async ({ manager }) => {
        await manager.streams.purge(EVENT_STREAM, { filter });
      });
    }
    this.forget(id);
    this.notify(id);
    return new Set(files);
  }

  /** Removes the request id of a job, unless it already names a newer job. */
  private async forgetRequest({ id, requestId }: JobRecord): Promise<void> {
    await this.sessions.use(async (session) => {
      const request = await session.last(requestSubject(requestId));
      if (request && (JSON.parse(request.string()) as Accepted).id === id)
        await session.delete(EVENT_STREAM, request.seq);
    });
  }

  claim(signal: AbortSignal): Promise<Claim | undefined> {
    return this.queue.claim(signal);
  }

  isDriven(id: string): Promise<boolean> {
    return this.queue.isDriven(id);
  }

  hold(sha256: string): () => void {
    return this.held.hold(sha256);
  }

  async uses(sha256: string): Promise<boolean> {
    if (this.held.has(sha256) || this.deltas.has(sha256)) return true;
    return (await this.sessions.read((session) => session.last(fileSubject(sha256, '*')))) !== undefined;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    this.queue.close();
    await this.sessions.close();
  }

  /**
   * Appends changes to a job.
   *
   * @param attempt number of attempts that the job must still have: that of the caller's claim
   * @throws HifiError CANCELLED if another gateway has begun an attempt
   */
  private async change(id: string, happenings: readonly Happening[], attempt?: number): Promise<JobRecord> {
    const writer = this.writer();
    let before = this.cache.get(id) ?? (await this.job(id));
    for (let tries = 1; ; ) {
      if (attempt !== undefined && before.record.attempt !== attempt && before.driver !== writer.gateway) {
        throw new HifiError('CANCELLED', `another gateway has begun attempt ${before.record.attempt} at job ${id}`);
      }
      const { job, entries } = appended(before, happenings, Date.now(), writer);
      if (entries.length === 0) return before.record;
      try {
        const expected = { subject: jobSubjects(id), last: before.last };
        const last = await this.sessions.use((session) => session.append(entries, expected));
        this.remember({ ...job, last });
        if (attempt === undefined && hasEnded(job.record)) await this.leave(id);
        return job.record;
      } catch (error) {
        if (!(error instanceof Conflict) && !(isStoreAway(error) && tries++ < TRIES)) throw error;
      }
      // Another writer came first, or the outcome is unknown: the messages since then tell.
      let written: Job | undefined;
      for (const message of await this.messagesAfter(id, before.last)) {
        before = applied(before, id, message);
        if (writerOf(message.header)?.call === writer.call) written = before;
      }
      this.remember(before);
      if (written) return written.record;
    }
  }

  /** Takes a job that ended without a driver out of the queue; a claim would do so later. */
  private async leave(id: string): Promise<void> {
    await this.queue
      .remove(id)
      .catch((error) => this.log.warn({ job: id, err: error }, 'an ended job is still offered'));
  }

  /** Origin of a new change. */
  private writer() {
    return { gateway: this.queue.driver, call: randomUUID() };
  }

  /** Returns a job as its stream describes it now. @throws HifiError NOT_FOUND */
  private async job(id: string): Promise<Job> {
    const known = this.cache.get(id);
    let job = known;
    for (const message of await this.messagesAfter(id, known?.last ?? 0)) {
      const isForeign = !job && !message.subject.endsWith('.record') && !writerOf(message.header);
      if (isForeign) throw noJob(id);
      job = applied(job, id, message);
    }
    if (!job) throw noJob(id);
    this.remember(job);
    return job;
  }

  /** Reads a job's messages after a sequence number. @throws HifiError NOT_FOUND */
  private async messagesAfter(id: string, seq: number): Promise<Stored[]> {
    if (!isJobId(id)) throw noJob(id);
    return this.sessions.read(async (session) => {
      const last = await session.last(jobSubjects(id));
      if (last) return last.seq > seq ? session.messages(jobSubjects(id), seq + 1, last.seq) : [];
      // A new leader may not have all acknowledged messages yet.
      if ((await session.lastSequence()) < this.seen) throw storeAway();
      this.forget(id);
      throw noJob(id);
    });
  }

  private remember(job: Job): void {
    this.seen = Math.max(this.seen, job.last);
    const { id, state, updateTime, cancelRequested } = job.record;
    const before = this.cache.get(id);
    if (before && before.last >= job.last) return;
    this.cache.delete(id);
    this.cache.set(id, job);
    if (this.cache.size > MOST_CACHED) this.cache.delete(this.cache.keys().next().value as string);
    if (cancelRequested) this.queue.end(id);
    if (before?.record.state !== state) this.index.set(id, { state, time: updateTime, seq: job.last });
    this.notify(id);
  }

  private forget(id: string): void {
    this.cache.delete(id);
    this.index.remove(id);
  }

  private notify(id: string): void {
    this.watchers.wake(id);
    this.emitter.emit('change', id);
  }

  /** Creates the streams and follows the changes of all gateways over a new connection. */
  private async follow(session: Session): Promise<void> {
    await session.unlessLost(createLayout(session.manager, this.leaseMs));
    await session.consume(ALL_SUBJECTS, DeliverPolicy.New, (message) => this.hear(message), {
      headersOnly: true,
    });
    await session.consume(STATE_SUBJECTS, DeliverPolicy.LastPerSubject, (message) => this.enter(message));
    await this.deltas.follow(session);
    // Changes during a lost connection have woken nobody, and cancelled no claim.
    this.watchers.wakeAll();
    for (const id of this.queue.driven) this.refresh(id);
  }

  /** Takes the state of a job into the index. */
  private enter(message: JsMsg): void {
    this.seen = Math.max(this.seen, message.seq);
    // The stream may have events that another gateway's outbox published: they have no writer.
    if (writerOf(message.headers) && this.index.take(message)) this.notify(jobIn(message.subject));
  }

  private hear({ subject, headers, seq }: JsMsg): void {
    this.seen = Math.max(this.seen, seq);
    if (writerOf(headers)?.gateway === this.queue.driver) return;
    const id = jobIn(subject);
    this.notify(id);
    if (subject.endsWith('.record') && this.queue.drives(id)) this.refresh(id);
  }

  /** Reads a job that this gateway drives: its cancellation may have been requested. */
  private refresh(id: string): void {
    this.job(id).catch((error) => this.log.warn({ job: id, err: error }, 'a job could not be read'));
  }

  /**
   * Offers open jobs that are not offered, because a gateway ended between two writes. The first
   * time it looks at all of them.
   */
  private async repair(): Promise<void> {
    try {
      if (this.repaired && (await this.queue.size()) >= this.index.open) return;
      const open = this.index.openSince(Date.now() - (this.repaired ? OFFERED_MS : 0));
      if (open.length > 0) await this.queue.addMissing(open);
      this.repaired = true;
    } catch (error) {
      if (!isStoreAway(error) && !this.closed) throw error;
    }
  }
}
