import { JetStreamApiError, type JetStreamClient, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import { TimeoutError } from '@nats-io/transport-node';
import { failed } from '../errors';
import { apiCode, denialIn, findJetStream, type NatsLink } from '../infra/nats';
import { unlessAborted } from '../infra/unless-aborted';
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

/** What a stream answers to a message over its `max_msg_size`. */
const MESSAGE_TOO_LARGE = 10_054;

/** An event that has left: the server has it, or can never take it. */
export interface Sent {
  unpublished: Unpublished;
  tooLarge?: TooLarge;
}

export interface TooLarge {
  /** Bytes of the message with its headers. */
  bytes: number;
  /** The most that are taken, where that is known. */
  limit?: number;
  /** Whose limit that is. */
  limitOf: string;
}

/** The way to NATS while a connection lasts. */
export interface EventChannel extends Pick<Keeping, 'lacks' | 'forgets'> {
  /** The streams that keep what is sent. */
  streams: string[];
  /**
   * Hands events over in the order given, and yields each once it has left. Those that a stream already has are left out. One event
   * after the other: were a second on its way with the first, it could be there without it when the server refuses the first or goes
   * down.
   *
   * @throws Error where the server refuses the next one, or is away
   */
  send(events: readonly Unpublished[]): AsyncGenerator<Sent>;
}

/** @throws Error where the server is away, or cannot say yet which stream keeps events */
export async function openChannel(link: NatsLink): Promise<EventChannel> {
  // Settles at once, also where the server is away: a question would wait for its time to be over.
  await link.flush();
  const found = await findJetStream(link);
  if (found.manager) {
    return new Channel(link, await unlessAborted(keepingOf(found.manager), link.lost), found.manager);
  }
  // A user that may only publish learns from the acknowledgements whether a stream keeps events.
  const keepers: Keeping['keepers'] = new Map(found.hidden ? EVENT_KINDS.map((kind) => [kind, 'unknown']) : []);
  return new Channel(link, { keepers, lacks: [found.lacks], forgets: [] });
}

class Channel implements EventChannel {
  readonly lacks: string[];
  readonly forgets: string[];
  private readonly keepers: Keeping['keepers'];
  private readonly client: JetStreamClient;
  /** What was sent before by another channel or process, and is not known to be there, is the beginning of what is sent first. */
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

  /** The last event that a stream has of each job. @returns job → sequence number */
  private async lastKept(events: readonly Unpublished[]): Promise<Map<string, number>> {
    const kept = new Map<string, number>();
    if (!this.manager) return kept;
    for (const jobId of new Set(events.map(({ event }) => event.jobId))) {
      for (const stream of this.streams) {
        const asked = this.manager.streams.getMessage(stream, { last_by_subj: subjectsOf(jobId) });
        const last = await unlessAborted(asked, this.link.lost).catch((error) => {
          // Events that are sent again are dropped by the stream, and by readers, by their id.
          if (denialIn(error)) return null;
          throw error;
        });
        const id = last?.header.get(EVENT_ID);
        if (id) kept.set(jobId, Math.max(kept.get(jobId) ?? 0, sequenceOf(id)));
      }
    }
    return kept;
  }

  /** @returns why the server can never take the message, where that is so */
  private async hand(message: NatsMessage, kind: EventKind): Promise<Pick<Sent, 'tooLarge'>> {
    const keeper = this.keepers.get(kind);
    const bytes = sizeOf(message);
    const { maxBytes } = this.link;
    if (bytes > maxBytes) {
      if (this.link.fresh) return { tooLarge: { bytes, limit: maxBytes, limitOf: "the NATS server's max_payload" } };
      // A server that is given another limit while it runs tells new connections alone.
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

  /** Publishes where nobody may ask whether a stream keeps the event: an acknowledgement tells, and counts. */
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

/** Whether no stream has acknowledged a message that the server did take: none is there, or this user cannot hear it. */
const unanswered = (error: unknown) =>
  error instanceof TimeoutError ||
  error instanceof SyntaxError ||
  (error as Error).name === 'JetStreamNotEnabled' ||
  denialIn(error)?.operation === 'subscription';

/** Why a message was not kept, in words that say what to do. */
function refusalOf(error: unknown, keeper?: Keeper): unknown {
  const stream = keeper ? `stream ${keeper.name}` : 'a stream';
  if (error instanceof JetStreamApiError) {
    return failed(`${stream} refuses the event: ${error.message}; make room in it or raise its limits`, error);
  }
  if (error instanceof TimeoutError) return failed(`${stream} does not acknowledge the event`, error);
  // In the library's words JetStream is not enabled: nobody is there who would answer.
  if ((error as Error).name === 'JetStreamNotEnabled') return failed(`${stream} no longer takes the event`, error);
  return error;
}
