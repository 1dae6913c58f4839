import { JetStreamApiError, type JetStreamClient, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import { TimeoutError } from '@nats-io/transport-node';
import { failed } from '../foundation/errors';
import { unlessAborted } from '../foundation/unless-aborted';
import { apiCode, denialIn, findJetStream, type NatsLink } from '../infra/nats';
import type { Unpublished } from './lmdb-store';
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
import { type AckStream, type StreamLayout, streamLayout } from './nats-stream';

/** Error code of a stream for a message over its `max_msg_size`. */
const MESSAGE_TOO_LARGE = 10_054;

/** Settled event: the server has it, or can never accept it. */
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

/** Publisher of events over one connection to NATS. */
export interface EventChannel extends Pick<StreamLayout, 'lacks' | 'discards'> {
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

/**
 * Opens a channel on a connection.
 *
 * @throws Error if the server is away, or does not report yet which streams store events
 */
export async function openChannel(link: NatsLink): Promise<EventChannel> {
  // Fails at once if the server is away; a request would wait for its timeout.
  await link.flush();
  const found = await findJetStream(link);
  if (found.manager) {
    return new Channel(link, await unlessAborted(streamLayout(found.manager), link.lost), found.manager);
  }
  // A user that may only publish learns from the acknowledgements whether a stream stores events.
  const ackStreams: StreamLayout['ackStreams'] = new Map(
    found.hidden ? EVENT_KINDS.map((kind) => [kind, 'unknown']) : [],
  );
  return new Channel(link, { ackStreams, lacks: [found.lacks], discards: [] });
}

class Channel implements EventChannel {
  readonly lacks: string[];
  readonly discards: string[];
  private readonly ackStreams: StreamLayout['ackStreams'];
  private readonly client: JetStreamClient;
  /**
   * True until this channel has looked up which of the first events a stream already has. An
   * earlier channel or process may have published the beginning of the outbox without a
   * confirmation.
   */
  private inDoubt = true;

  constructor(
    private readonly link: NatsLink,
    layout: StreamLayout,
    private readonly manager?: JetStreamManager,
  ) {
    ({ lacks: this.lacks, discards: this.discards, ackStreams: this.ackStreams } = layout);
    this.client = jetstream(link.nc);
  }

  get streams(): string[] {
    return [...new Set([...this.ackStreams.values()].flatMap((each) => (each === 'unknown' ? [] : [each.name])))];
  }

  async *send(events: readonly Unpublished[]): AsyncGenerator<Sent> {
    const stored = this.inDoubt ? await this.lastStored(events) : new Map<string, number>();
    for (const unpublished of events) {
      const { jobId, sequence, event } = unpublished.event;
      if (sequence <= (stored.get(jobId) ?? 0)) yield { unpublished };
      else yield { unpublished, ...(await this.publish(natsMessage(unpublished), event.kind)) };
      this.link.fresh = false;
    }
    this.inDoubt = false;
  }

  /** Finds the last stored event of each job. @returns job → sequence number */
  private async lastStored(events: readonly Unpublished[]): Promise<Map<string, number>> {
    const stored = new Map<string, number>();
    if (!this.manager) return stored;
    for (const jobId of new Set(events.map(({ event }) => event.jobId))) {
      for (const stream of this.streams) {
        const request = this.manager.streams.getMessage(stream, { last_by_subj: subjectsOf(jobId) });
        const last = await unlessAborted(request, this.link.lost).catch((error) => {
          // Without the lookup, the stream and the readers drop repeated events by their id.
          if (denialIn(error)) return null;
          throw error;
        });
        const id = last?.header.get(EVENT_ID);
        if (id) stored.set(jobId, Math.max(stored.get(jobId) ?? 0, sequenceOf(id)));
      }
    }
    return stored;
  }

  /** Publishes one message. @returns the reason if the server can never accept it */
  private async publish(message: NatsMessage, kind: EventKind): Promise<Pick<Sent, 'tooLarge'>> {
    const stream = this.ackStreams.get(kind);
    const bytes = sizeOf(message);
    const { maxBytes } = this.link;
    if (bytes > maxBytes) {
      if (this.link.fresh) return { tooLarge: { bytes, limit: maxBytes, limitOf: "the NATS server's max_payload" } };
      // A running server reports a changed limit to new connections only.
      await this.link.close();
      throw failed(
        'an event is larger than the max_payload of this connection; a new connection reports the current one',
      );
    }
    if (!stream) {
      await this.link.publish(message.subject, message.body, message.headers);
      return {};
    }
    return stream === 'unknown' ? this.probe(message, kind) : this.keep(message, stream, bytes);
  }

  private async keep(message: NatsMessage, stream: AckStream, bytes: number): Promise<Pick<Sent, 'tooLarge'>> {
    const tooLarge = { bytes, limitOf: `max_msg_size of stream ${stream.name}` };
    if (bytes > stream.maxBytes) return { tooLarge: { ...tooLarge, limit: stream.maxBytes } };
    try {
      await this.acknowledged(message);
      return {};
    } catch (error) {
      if (apiCode(error) === MESSAGE_TOO_LARGE) return { tooLarge };
      throw refusalOf(error, stream);
    }
  }

  /**
   * Publishes an event if the user may not ask whether a stream stores it; an acknowledgement shows
   * that one does.
   */
  private async probe(message: NatsMessage, kind: EventKind): Promise<Pick<Sent, 'tooLarge'>> {
    try {
      const { stream } = await this.acknowledged(message);
      this.ackStreams.set(kind, { name: stream, maxBytes: Number.POSITIVE_INFINITY });
    } catch (error) {
      if (!unanswered(error)) throw refusalOf(error);
      for (const [each, known] of [...this.ackStreams]) if (known === 'unknown') this.ackStreams.delete(each);
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
 * Returns true if the server accepted a message that no stream acknowledged. Either there is no
 * stream, or this user cannot receive the acknowledgement.
 */
const unanswered = (error: unknown) =>
  error instanceof TimeoutError ||
  error instanceof SyntaxError ||
  (error as Error).name === 'JetStreamNotEnabled' ||
  denialIn(error)?.operation === 'subscription';

/** Error for a message that was not stored, with the remedy. */
function refusalOf(error: unknown, stream?: AckStream): unknown {
  const name = stream ? `stream ${stream.name}` : 'a stream';
  if (error instanceof JetStreamApiError) {
    return failed(`${name} refuses the event: ${error.message}; make room in it or raise its limits`, error);
  }
  if (error instanceof TimeoutError) return failed(`${name} does not acknowledge the event`, error);
  // The library's "JetStream not enabled" means that there was no answer.
  if ((error as Error).name === 'JetStreamNotEnabled') return failed(`${name} no longer accepts the event`, error);
  return error;
}
