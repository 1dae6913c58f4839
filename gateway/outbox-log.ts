import type { Logger } from '../infra/log';
import { denialOf } from '../infra/nats';
import type { EventChannel, TooLarge } from './event-channel';
import type { JobEventRecord } from './record';

/** How long a line that comes again is left out, in milliseconds. */
const QUIET_MS = 30_000;
/** Reasons that are logged of one outage at most. */
const MAX_REASONS = 10;

/**
 * What an outbox logs: a line at a change of state. A reason to wait that comes back is logged again after a time at the earliest, and
 * so are events that are passed over.
 */
export class OutboxLog {
  /** What the last line about the state said. */
  private state: 'nothing' | 'connected' | 'published' | 'waiting' = 'nothing';
  /** Where events go, as it was logged last. */
  private where = '';
  private forgets = '';
  /** Reason to wait → when it was logged, in milliseconds. */
  private readonly reasons = new Map<string, number>();
  private asideTold = Number.NEGATIVE_INFINITY;
  private asideSince = 0;
  /** Whether events wait, or nothing is known yet. */
  waiting = true;

  /** @param nats the server, as a line names it */
  constructor(
    private readonly log: Logger,
    private readonly nats: string,
  ) {}

  /** @param next the event that waits first, where there is one */
  waits(error: unknown, next: JobEventRecord | undefined): void {
    this.waiting = true;
    const reason = denialOf(error) ?? (error instanceof Error ? error.message : String(error));
    const before = this.reasons.get(reason);
    const again = before !== undefined && (this.state === 'waiting' || Date.now() - before < QUIET_MS);
    if (again || this.reasons.size >= MAX_REASONS) return;
    this.reasons.set(reason, Date.now());
    this.state = 'waiting';
    this.log.warn({ nats: this.nats, ...(next && named(next)), reason }, 'events wait for NATS');
  }

  /** The server has taken an event. */
  published(channel: EventChannel): void {
    this.there('published', 'events are published', channel);
  }

  /** A server is there, and nothing waits. */
  connected(channel: EventChannel): void {
    if (this.state !== 'published') this.there('connected', 'connected to NATS', channel);
    this.waiting = false;
  }

  /** An event that is passed over. */
  tooLarge(event: JobEventRecord, { bytes, limit, limitOf }: TooLarge): void {
    this.waiting = false;
    if (Date.now() - this.asideTold < QUIET_MS) {
      this.asideSince++;
      return;
    }
    const reason = `it has ${bytes} bytes, over ${limitOf}${limit === undefined ? '' : ` of ${limit}`}`;
    const more = this.asideSince > 0 ? { othersBefore: this.asideSince } : {};
    this.log.warn({ nats: this.nats, ...named(event), bytes, limit, ...more, reason }, 'an event is not published');
    this.asideTold = Date.now();
    this.asideSince = 0;
  }

  ended(error: unknown): void {
    this.log.error({ err: error }, 'events are no longer published');
  }

  close(): void {
    if (this.asideSince > 0) this.log.warn({ nats: this.nats, others: this.asideSince }, 'events are not published');
  }

  private there(state: 'connected' | 'published', words: string, { streams, lacks, forgets }: EventChannel): void {
    this.waiting = false;
    const where = JSON.stringify([streams, lacks]);
    if (state === this.state && where === this.where) return;
    [this.state, this.where] = [state, where];
    for (const [reason, time] of [...this.reasons]) if (Date.now() - time >= QUIET_MS) this.reasons.delete(reason);
    if (lacks.length > 0) this.log.warn({ nats: this.nats, streams, lacks }, words);
    else this.log.info({ nats: this.nats, streams }, words);
    if (forgets.join() !== this.forgets)
      this.log.warn({ nats: this.nats, reasons: forgets }, 'events may be forgotten');
    this.forgets = forgets.join();
  }
}

const named = ({ jobId, sequence, event }: JobEventRecord) => ({ job: jobId, sequence, kind: event.kind });
