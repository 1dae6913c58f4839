import type { Logger } from '../infra/log';
import { denialOf } from '../infra/nats';
import type { EventChannel, TooLarge } from './event-channel';
import type { JobEventRecord } from './record';

/** Interval in which a repeated line is logged once, in milliseconds. */
const QUIET_MS = 30_000;
/** Most reasons that are logged for one outage. */
const MAX_REASONS = 10;

/**
 * Log of an outbox: one line per change of state. It logs a repeated reason to wait, and repeated
 * skipped events, once per interval.
 */
export class OutboxLog {
  /** Last line about the state. */
  private state: 'nothing' | 'connected' | 'published' | 'waiting' = 'nothing';
  /** Last logged destination of events. */
  private where = '';
  private forgets = '';
  /** Reason to wait → time at which it was logged, in milliseconds. */
  private readonly reasons = new Map<string, number>();
  private asideTold = Number.NEGATIVE_INFINITY;
  private asideSince = 0;
  /** True while events wait, or while nothing is known yet. */
  waiting = true;

  /** @param nats name of the server in log lines */
  constructor(
    private readonly log: Logger,
    private readonly nats: string,
  ) {}

  /** @param next the first waiting event, if any */
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

  /** The server has accepted an event. */
  published(channel: EventChannel): void {
    this.there('published', 'events are published', channel);
  }

  /** The server is there, and no event waits. */
  connected(channel: EventChannel): void {
    if (this.state !== 'published') this.there('connected', 'connected to NATS', channel);
    this.waiting = false;
  }

  /** An event was skipped. */
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
