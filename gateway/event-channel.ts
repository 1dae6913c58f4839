import { JetStreamApiError, type JetStreamClient, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import { TimeoutError } from '@nats-io/transport-node';
import { failed } from '../foundation/errors';
import { unlessAborted } from '../foundation/unless-aborted';
import { apiCode, denialIn, findJetStream, type NatsLink } from '../infra/nats';
import { type Keeper, type Keeping, keepingOf } from './event-stream';
import {
  EVENT_ID,
  EVENT_KINDS,
  type EventKind,
  type NatsMessage,
  natsMessage,
  sequenceOf,
  sizeOf,
  subjectsOf,
} from './nats-events';
import type { Unpublished } from './store';

/** Error code of a stream for a message over its `max_msg_size`. */
const MESSAGE_TOO_LARGE = 10_054;

/** Event that is settled: the server has it, or can never accept it. */
export interface Sent {
  unpublished: Unpublished;
  tooLarge?: TooLarge;
}

export interface TooLarge {
  /** Size of the message with its headers, in bytes. */
  bytes: number;
  /** Largest size that is accepted, if known. */
  limit?: number;
  /** Owner of that limit. */
  limitOf: string;
}

/** The way to NATS while a connection lasts. */
export interface EventChannel extends Pick<Keeping, 'lacks' | 'forgets'> {
  /** Streams that store published events. */
  streams: string[];
  /**
   * Publishes events in the given order, and yields each one once it is settled. Skips events that
   * a stream already has. Publishes one event at a time: a second one in flight could be stored
   * without the first if the server refuses the first or fails.
   *
   * @throws Error if the server refuses the next event, or is away
   */
  send(events: readonly Unpublished[]): AsyncGenerator<Sent>;
}

/** @throws Error if the server is away, or does not report yet which streams store events */
export async function openChannel(link: NatsLink): Promise<EventChannel> {
  // Settles at once, also where the server is away: a question would wait for its time to be over.
  await link.flush();
  const found = await findJetStream(link);
  if (found.manager) {
    return new Channel(link, await unlessAborted(keepingOf(found.manager), link.lost), found.manager);
  }
  // A user that may only publish learns from the acknowledgements whether a stream stores events.
  const keepers: Keeping['keepers'] = new Map(found.hidden ? EVENT_KINDS.map((kind) => [kind, 'unknown']) : []);
  return new Channel(link, { keepers, lacks: [found.lacks], forgets: [] });
}

class Channel implements EventChannel {
  readonly lacks: string[];
  readonly forgets: string[];
  private readonly keepers: Keeping['keepers'];
  private readonly client: JetStreamClient;
  /**
   * True until this channel has looked up which of the first events a stream already has. An
   * earlier channel or process may have published the beginning of the outbox without a
   * confirmation.
   */
  private inDoubt = true;

  constructor(
    private readonly link: NatsLink,
    keeping: Keeping,
    private readonly manager?: JetStreamManager,
  ) {
    ({ lacks: this.lacks, forgets: this.forgets, keepers: this.keepers } = keeping);
    this.client = jetstream(link.nc);
  }

  get streams(): string[] {
    return [...new Set([...this.keepers.values()].flatMap((each) => (each === 'unknown' ? [] : [each.name])))];
  }

  async *send(events: readonly Unpublished[]): AsyncGenerator<Sent> {
    const kept = this.inDoubt ? await this.lastKept(events) : new Map<string, number>();
    for (const unpublished of events) {
      const { jobId, sequence, event } = unpublished.event;
      if (sequence <= (kept.get(jobId) ?? 0)) yield { unpublished };
      else yield { unpublished, ...(await this.hand(natsMessage(unpublished), event.kind)) };
      this.link.fresh = false;
    }
    this.inDoubt = false;
  }

  /** Finds the last event of each job in a stream. @returns job → sequence number */
  private async lastKept(events: readonly Unpublished[]): Promise<Map<string, number>> {
    const kept = new Map<string, number>();
    if (!this.manager) return kept;
    for (const jobId of new Set(events.map(({ event }) => event.jobId))) {
      for (const stream of this.streams) {
        const asked = this.manager.streams.getMessage(stream, { last_by_subj: subjectsOf(jobId) });
        const last = await unlessAborted(asked, this.link.lost).catch((error) => {
          // The stream drops repeated events by their id, and so do readers.
          if (denialIn(error)) return null;
          throw error;
        });
        const id = last?.header.get(EVENT_ID);
        if (id) kept.set(jobId, Math.max(kept.get(jobId) ?? 0, sequenceOf(id)));
      }
    }
    return kept;
  }

  /** @returns the reason if the server can never accept the message */
  private async hand(message: NatsMessage, kind: EventKind): Promise<Pick<Sent, 'tooLarge'>> {
    const keeper = this.keepers.get(kind);
    const bytes = sizeOf(message);
    const { maxBytes } = this.link;
    if (bytes > maxBytes) {
      if (this.link.fresh) return { tooLarge: { bytes, limit: maxBytes, limitOf: "the NATS server's max_payload" } };
      // A running server reports a changed limit to new connections only.
      await this.link.close();
      throw failed('an event is larger than the max_payload that the server named: it is asked again');
    }
    if (!keeper) {
      await this.link.publish(message.subject, message.body, message.headers);
      return {};
    }
    return keeper === 'unknown' ? this.probe(message, kind) : this.keep(message, keeper, bytes);
  }

  private async keep(message: NatsMessage, keeper: Keeper, bytes: number): Promise<Pick<Sent, 'tooLarge'>> {
    const tooLarge = { bytes, limitOf: `max_msg_size of stream ${keeper.name}` };
    if (bytes > keeper.maxBytes) return { tooLarge: { ...tooLarge, limit: keeper.maxBytes } };
    try {
      await this.acknowledged(message);
      return {};
    } catch (error) {
      if (apiCode(error) === MESSAGE_TOO_LARGE) return { tooLarge };
      throw refusalOf(error, keeper);
    }
  }

  /**
   * Publishes an event when the user may not ask if a stream stores it: an acknowledgement shows
   * that.
   */
  private async probe(message: NatsMessage, kind: EventKind): Promise<Pick<Sent, 'tooLarge'>> {
    try {
      const { stream } = await this.acknowledged(message);
      this.keepers.set(kind, { name: stream, maxBytes: Number.POSITIVE_INFINITY });
    } catch (error) {
      if (!unanswered(error)) throw refusalOf(error);
      for (const [each, keeper] of [...this.keepers]) if (keeper === 'unknown') this.keepers.delete(each);
      await this.link.publish(message.subject, message.body, message.headers);
    }
    return {};
  }

  private async acknowledged({ subject, body, headers }: NatsMessage) {
    this.link.lost.throwIfAborted();
    return unlessAborted(this.client.publish(subject, body, { headers }), this.link.lost);
  }
}

/**
 * Returns true if the server accepted a message that no stream acknowledged: there is no stream, or
 * this user cannot receive the acknowledgement.
 */
const unanswered = (error: unknown) =>
  error instanceof TimeoutError ||
  error instanceof SyntaxError ||
  (error as Error).name === 'JetStreamNotEnabled' ||
  denialIn(error)?.operation === 'subscription';

/** Reason that a message was not stored, with the remedy. */
function refusalOf(error: unknown, keeper?: Keeper): unknown {
  const stream = keeper ? `stream ${keeper.name}` : 'a stream';
  if (error instanceof JetStreamApiError) {
    return failed(`${stream} refuses the event: ${error.message}; make room in it or raise its limits`, error);
  }
  if (error instanceof TimeoutError) return failed(`${stream} does not acknowledge the event`, error);
  // The library's "JetStream not enabled" means that nobody answered.
  if ((error as Error).name === 'JetStreamNotEnabled') return failed(`${stream} no longer accepts the event`, error);
  return error;
}
