import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { JsMsg } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { HifiError } from '../../foundation/errors';
import type { Logger } from '../../infra/log';
import { type Happening, hasEnded, type JobRecord } from '../record';
import { type Claim, isStoreAway } from '../store';
import type { Stored } from './job-log';
import { DRIVERS, jobIn, LEASE_STREAM, leaseSubject, WORK_STREAM, WORK_SUBJECTS, workSubject } from './layout';
import { Conflict, type Sessions } from './session';

/** Number of renewals in the lifetime of a lease. */
const RENEWALS = 4;
/** Longest wait of one request for work, in milliseconds. */
const PULL_MS = 1_000;
/** Pause after a failed request for work, in milliseconds. */
const PAUSE_MS = 500;

/** Access of the claims to the jobs. */
interface Jobs {
  /** Returns a job's current record. @throws HifiError NOT_FOUND */
  get(id: string): Promise<JobRecord>;
  /** Records changes if the job's attempt is still `attempt`. */
  note(id: string, attempt: number, happenings: readonly Happening[]): Promise<JobRecord>;
}

/**
 * Waiting work and its leases. A message of the work stream offers a job to one gateway at a time;
 * a lease in the key-value bucket says who drives it. Neither fences a paused gateway: its late
 * acknowledgement would count. The fence is the job's own stream, see {@link JobClaim.note}.
 */
export class WorkQueue {
  /** Identifies this gateway in the leases. */
  readonly driver = randomUUID();
  private readonly claims = new Map<string, JobClaim>();

  constructor(
    private readonly sessions: Sessions,
    private readonly jobs: Jobs,
    private readonly log: Logger,
    private readonly leaseMs: number,
  ) {}

  /** Offers a job to all gateways, unless it is offered already. */
  async add(id: string): Promise<void> {
    const entry = { subject: workSubject(id), body: '', headers: headers() };
    await this.sessions
      .use((session) => session.append([entry], { subject: entry.subject, last: 0 }))
      .catch((error) => {
        if (!(error instanceof Conflict)) throw error;
      });
  }

  /** Offers those of some open jobs that are not offered: a gateway ended before it could. */
  async addMissing(open: readonly string[]): Promise<void> {
    const offered = await this.sessions.use(async ({ manager }) => {
      const { state } = await manager.streams.info(WORK_STREAM, { subjects_filter: WORK_SUBJECTS });
      return new Set(Object.keys(state.subjects ?? {}));
    });
    for (const id of open) if (!offered.has(workSubject(id))) await this.add(id);
  }

  /** Number of offered jobs. */
  async size(): Promise<number> {
    return this.sessions.use(async ({ manager }) => (await manager.streams.info(WORK_STREAM)).state.messages);
  }

  /**
   * Takes an ended or deleted job out of the queue. A purge by subject would also advance the
   * consumer's floor over older deliveries, and a server that restarts would forget those.
   */
  async remove(id: string): Promise<void> {
    await this.sessions.use(async (session) => {
      const offer = await session.last(workSubject(id), WORK_STREAM);
      if (offer) await session.delete(WORK_STREAM, offer.seq);
    });
  }

  async isDriven(id: string): Promise<boolean> {
    const lease = await this.sessions.read((session) => session.last(leaseSubject(id), LEASE_STREAM));
    return lease !== undefined && driverIn(lease) !== undefined;
  }

  /** Claims the next job; waits for one. @returns undefined when `signal` aborts */
  async claim(signal: AbortSignal): Promise<Claim | undefined> {
    while (!signal.aborted) {
      try {
        const claim = await this.next(signal);
        if (claim) return claim;
      } catch (error) {
        if (!isStoreAway(error)) throw error;
        await delay(PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
    return undefined;
  }

  /** Returns true if this gateway drives a job. */
  drives(id: string): boolean {
    return this.claims.has(id);
  }

  /** Ids of the jobs that this gateway drives. */
  get driven(): string[] {
    return [...this.claims.keys()];
  }

  /** Ends this gateway's claim on a job whose cancellation is requested. */
  end(id: string): void {
    this.claims.get(id)?.end();
  }

  /** Answers a delivery, over whatever connection there is now. */
  async answer(offer: JsMsg, word: string): Promise<void> {
    await this.sessions.use(async ({ link }) => link.nc.publish((offer as unknown as { reply: string }).reply, word));
  }

  forget(id: string): void {
    this.claims.delete(id);
  }

  /** Gives up all claims without a word to the server: their leases expire. */
  close(): void {
    for (const claim of this.claims.values()) claim.lose();
    this.claims.clear();
  }

  private async pull(): Promise<JsMsg | undefined> {
    return this.sessions.use(async (session) => {
      const consumer = await session.unlessLost(session.client.consumers.get(WORK_STREAM, DRIVERS));
      return (await session.unlessLost(consumer.next({ expires: PULL_MS }))) ?? undefined;
    });
  }

  private async next(signal: AbortSignal): Promise<JobClaim | undefined> {
    const offer = await this.pull();
    if (!offer) return undefined;
    if (!signal.aborted) return this.accept(jobIn(offer.subject), offer);
    await this.answer(offer, '-NAK');
    return undefined;
  }

  private async accept(id: string, offer: JsMsg): Promise<JobClaim | undefined> {
    const record = await this.jobs.get(id).catch((error) => {
      if (HifiError.from(error).code === 'NOT_FOUND') return undefined;
      throw error;
    });
    if (!record || hasEnded(record)) {
      await this.remove(id);
      return undefined;
    }
    const claim = new JobClaim(this.sessions, this, this.jobs, offer, record);
    if (this.drives(id) || !(await claim.lease())) {
      await this.answer(offer, `-NAK {"delay": ${(this.leaseMs / RENEWALS) * 1e6}}`);
      return undefined;
    }
    this.claims.set(id, claim);
    claim.keep(this.leaseMs / RENEWALS, (error) =>
      this.log.warn({ job: id, err: error }, 'the lease of a job could not be renewed'),
    );
    return claim;
  }
}

/** Value of a job's lease. */
interface Lease {
  driver: string;
}

/** Header and value by which readers of a key-value bucket know that a key was deleted. */
const DELETED = ['KV-Operation', 'DEL'] as const;

/** Returns the holder in an entry of the leases; undefined if the lease was released. */
const driverIn = (entry: Stored): string | undefined =>
  entry.header?.get(DELETED[0]) ? undefined : (JSON.parse(entry.string()) as Lease).driver;

/** Claim on a job: its lease, renewed while the job is driven. */
class JobClaim implements Claim {
  readonly id: string;
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  /** Latest renewal; never rejects. */
  private renewal: Promise<void> = Promise.resolve();
  /** Sequence number of the lease's entry: its revision. */
  private revision = 0;
  private lost = false;
  /** Number of the job's attempts when this claim last changed it. */
  private attempt: number;

  constructor(
    private readonly sessions: Sessions,
    private readonly queue: WorkQueue,
    private readonly jobs: Jobs,
    /** Delivery of the job. */
    private readonly offer: JsMsg,
    { id, attempt, cancelRequested }: JobRecord,
  ) {
    this.id = id;
    this.attempt = attempt;
    if (cancelRequested) this.end();
  }

  get over(): AbortSignal {
    return this.controller.signal;
  }

  end(): void {
    this.controller.abort();
  }

  /**
   * Records changes. Every append expects the job's last sequence, and an attempt of another driver
   * is such a message. So a gateway that slept through the end of its lease finds the other's
   * attempt and writes nothing.
   */
  async note(...happenings: Happening[]): Promise<JobRecord> {
    if (this.lost) throw new HifiError('CANCELLED', `another gateway has job ${this.id}`);
    try {
      const record = await this.jobs.note(this.id, this.attempt, happenings);
      this.attempt = record.attempt;
      if (record.cancelRequested) this.end();
      return record;
    } catch (error) {
      if (HifiError.from(error).code === 'CANCELLED') this.lose();
      throw error;
    }
  }

  async release(): Promise<void> {
    clearInterval(this.timer);
    // A renewal on its way would be a lease of nobody.
    await this.renewal;
    this.queue.forget(this.id);
    if (this.lost) return;
    const ended = await this.jobs.get(this.id).then(hasEnded, (error) => {
      if (HifiError.from(error).code === 'NOT_FOUND') return true;
      throw error;
    });
    if (!(await this.put('', DELETED))) return;
    if (ended) await this.queue.remove(this.id);
    else await this.queue.answer(this.offer, '-NAK');
  }

  /** Creates the lease, or renews it. @returns false if another gateway has it */
  lease(): Promise<boolean> {
    return this.put(JSON.stringify({ driver: this.queue.driver } satisfies Lease));
  }

  /** Renews the lease and the delivery until the release. */
  keep(renewMs: number, failed: (error: unknown) => void): void {
    let renewing = false;
    this.timer = setInterval(() => {
      if (renewing) return;
      renewing = true;
      this.renewal = this.renew()
        .catch(failed)
        .finally(() => {
          renewing = false;
        });
    }, renewMs);
  }

  /** Writes the lease's entry, unless another gateway has the lease. @returns true if written */
  private async put(body: string, ...fields: (readonly [name: string, value: string])[]): Promise<boolean> {
    const subject = leaseSubject(this.id);
    for (;;) {
      try {
        const entry = { subject, body, headers: headers() };
        for (const [name, value] of fields) entry.headers.set(name, value);
        const expected = { subject, last: this.revision };
        this.revision = await this.sessions.use((session) => session.append([entry], expected));
        return true;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
      // The lease has expired or was released, or this gateway has not heard of its own renewal.
      const found = await this.sessions.read((session) => session.last(subject, LEASE_STREAM));
      const driver = found && driverIn(found);
      if (driver !== undefined && driver !== this.queue.driver) return false;
      this.revision = found?.seq ?? 0;
    }
  }

  private async renew(): Promise<void> {
    if (this.lost) return;
    await this.queue.answer(this.offer, '+WPI');
    if (!(await this.lease())) this.lose();
  }

  /** Ends the claim of a gateway that no longer has the lease. */
  lose(): void {
    this.lost = true;
    clearInterval(this.timer);
    this.end();
  }
}
