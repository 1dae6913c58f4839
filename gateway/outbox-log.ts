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
  /** State of the last logged line. */
  private state: 'nothing' | 'connected' | 'published' | 'waiting' = 'nothing';
  /** Last logged streams and shortcomings. */
  private where = '';
  private discards = '';
  /** Reason to wait → time when it was last logged, in milliseconds. */
  private readonly reasons = new Map<string, number>();
  private skippedTime = Number.NEGATIVE_INFINITY;
  private skippedSince = 0;
  /** True while events wait, or while the server's state is unknown. */
  waiting = true;

  /** Creates a log. @param nats the server's name in log lines */
  constructor(
    private readonly log: Logger,
    private readonly nats: string,
  ) {}

  /** Logs that events wait. @param next first waiting event, if any */
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

  /** Logs that the server accepted an event. */
  published(channel: EventChannel): void {
    this.there('published', 'events are published', channel);
  }

  /** Logs that the server is connected and no event waits. */
  connected(channel: EventChannel): void {
    if (this.state !== 'published') this.there('connected', 'connected to NATS', channel);
    this.waiting = false;
  }

  /** Logs a skipped event. */
  tooLarge(event: JobEventRecord, { bytes, limit, limitOf }: TooLarge): void {
    this.waiting = false;
    if (Date.now() - this.skippedTime < QUIET_MS) {
      this.skippedSince++;
      return;
    }
    const reason = `it has ${bytes} bytes, over ${limitOf}${limit === undefined ? '' : ` of ${limit}`}`;
    const more = this.skippedSince > 0 ? { othersBefore: this.skippedSince } : {};
    this.log.warn({ nats: this.nats, ...named(event), bytes, limit, ...more, reason }, 'an event is not published');
    this.skippedTime = Date.now();
    this.skippedSince = 0;
  }

  ended(error: unknown): void {
    this.log.error({ err: error }, 'events are no longer published');
  }

  close(): void {
    if (this.skippedSince > 0)
      this.log.warn({ nats: this.nats, others: this.skippedSince }, 'events are not published');
  }

  private there(state: 'connected' | 'published', words: string, { streams, lacks, discards }: EventChannel): void {
    this.waiting = false;
    const where = JSON.stringify([streams, lacks]);
    if (state === this.state && where === this.where) return;
    [this.state, this.where] = [state, where];
    for (const [reason, time] of [...this.reasons]) if (Date.now() - time >= QUIET_MS) this.reasons.delete(reason);
    if (lacks.length > 0) this.log.warn({ nats: this.nats, streams, lacks }, words);
    else this.log.info({ nats: this.nats, streams }, words);
    if (discards.join() !== this.discards)
      this.log.warn({ nats: this.nats, reasons: discards }, 'the stream may discard events');
    this.discards = discards.join();
  }
}

const named = ({ jobId, sequence, event }: JobEventRecord) => ({ job: jobId, sequence, kind: event.kind });
