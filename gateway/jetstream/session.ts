import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type DeliverPolicy,
  JetStreamApiCodes,
  type JetStreamClient,
  JetStreamError,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { type Msg, type MsgHdrs, TimeoutError } from '@nats-io/transport-node';
import { HifiError, noRoom } from '../../foundation/errors';
import { onAbort } from '../../foundation/on-abort';
import { unlessAborted } from '../../foundation/unless-aborted';
import type { Logger } from '../../infra/log';
import { apiCode, awaitNats, findJetStream, type NatsAddress, type NatsLink } from '../../infra/nats';
import { RpcError } from '../../proto/status';
import { EVENT_STREAM } from '../nats-events';
import { isStoreAway, storeAway } from '../store';
import type { Entry, Stored } from './job-log';

/** Longest wait of a call for a connection or an answer, in milliseconds. */
const ANSWER_MS = 5_000;
/** Number of attempts at a read whose connection is lost. */
const READS = 3;
/** Number of messages that are read at once. */
const PAGE = 256;

/** Error codes of JetStream for an unexpected last sequence, and for a repeated message. */
const CONFLICTS: readonly unknown[] = [10_071, 10_164, 10_201];
/** Error codes of JetStream for a lack of memory or storage, and for reached limits. */
const NO_ROOM: readonly unknown[] = [10_002, 10_023, 10_028, 10_047, 10_077];

/** Error codes of JetStream for a message that does not exist. */
const NO_MESSAGE: readonly unknown[] = [10_043, 10_057];

/**
 * Error codes of JetStream for a batch that lacks messages, and for too many unfinished batches. A
 * server loses the begin of a batch with its leader, and when too many others are unfinished.
 */
const TORN: readonly unknown[] = [10_176, 10_210];
/** Number of attempts at a batch that is torn; pause between two, in milliseconds. */
const [BATCHES, BATCH_PAUSE_MS] = [4, 50];

/** Error of a write that found other messages than it expected. */
export class Conflict extends Error {}

/** Error of a batch of which the server has stored nothing. */
class TornBatch extends Error {}

/** Condition of a write: a subject, which may have wildcards, has this last sequence. */
export interface Expected {
  subject: string;
  last: number;
}

/** JetStream over one connection. */
export class Session {
  readonly client: JetStreamClient;

  constructor(
    readonly link: NatsLink,
    readonly manager: JetStreamManager,
  ) {
    this.client = manager.jetstream();
  }

  /**
   * Appends messages to one stream, all or none.
   *
   * @param expected condition on the stream before the first message
   * @returns sequence number of the last message
   * @throws Conflict if another writer came first, or the messages were stored already; HifiError
   *   DISK_FULL; RpcError UNAVAILABLE if the server takes no batch
   */
  async append(entries: readonly Entry[], expected: Expected): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.send(entries, expected);
      } catch (error) {
        if (!(error instanceof TornBatch)) throw error;
        if (tries === BATCHES) throw storeAway(error);
      }
      await delay(BATCH_PAUSE_MS * tries);
    }
  }

  private async send(entries: readonly Entry[], expected: Expected): Promise<number> {
    const batch = randomUUID();
    const { nc } = this.link;
    for (const [i, { subject, body, headers }] of entries.entries()) {
      if (i === 0) expect(headers, expected);
      if (entries.length > 1) {
        headers.set('Nats-Batch-Id', batch);
        headers.set('Nats-Batch-Sequence', String(i + 1));
      }
      if (i < entries.length - 1) {
        nc.publish(subject, body, { headers });
        continue;
      }
      if (entries.length > 1) headers.set('Nats-Batch-Commit', '1');
      return acknowledged(await this.unlessLost(nc.request(subject, body, { headers, timeout: ANSWER_MS })));
    }
    throw new Error('nothing to append');
  }

  /** Returns the last message of a subject, which may have wildcards. */
  async last(subject: string, stream = EVENT_STREAM): Promise<Stored | undefined> {
    const query = { last_by_subj: subject };
    return (await this.unlessLost(this.manager.streams.getMessage(stream, query))) ?? undefined;
  }

  /** Returns the first message of a subject from a sequence number on, as the leader has it. */
  async next(subject: string, from: number, stream = EVENT_STREAM): Promise<Stored | undefined> {
    const query = { seq: from, next_by_subj: subject } as unknown as { seq: number };
    return (await this.unlessLost(this.manager.streams.getMessage(stream, query))) ?? undefined;
  }

  /** Sequence number of the last message that the leader of the jobs' stream has. */
  async lastSequence(): Promise<number> {
    return (await this.unlessLost(this.manager.streams.info(EVENT_STREAM))).state.last_seq;
  }

  /** Deletes a message, if it exists. */
  async delete(stream: string, seq: number): Promise<void> {
    const deleted = this.manager.streams.deleteMessage(stream, seq, false);
    await this.unlessLost(deleted).catch((error) => {
      if (!NO_MESSAGE.includes(apiCode(error))) throw error;
    });
  }

  /** Returns the messages of a subject, which may have wildcards, between two sequence numbers. */
  async messages(subject: string, from: number, to: number, most = Number.POSITIVE_INFINITY): Promise<Stored[]> {
    const found: Stored[] = [];
    let next = from;
    // The first message tells how many follow. For one more than there are, a server would search
    // the rest of the stream.
    let following = 1;
    while (next <= to && found.length < most) {
      const page = await this.page(subject, next, Math.min(following, PAGE, most - found.length));
      for (const message of page) if (message.seq <= to) found.push(message);
      const last = page.at(-1);
      following = Number(last?.header?.get('Nats-Num-Pending') ?? 0);
      next = last ? last.seq + 1 : next;
      if (following > 0 || next > to) continue;
      // A direct read may be behind: it comes from any replica. The stream's leader has all.
      const rest = await this.next(subject, next);
      if (rest && rest.seq <= to) found.push(rest);
      next = (rest?.seq ?? to) + 1;
      following = 1;
    }
    return found;
  }

  /**
   * Calls back for a stream's messages of some subjects, from now on or from the last one of each.
   * Settles once it has done so for those that exist. If the server ends the feed, the
   * session ends too.
   */
  async consume(
    filter: string,
    deliver: DeliverPolicy,
    take: (message: JsMsg) => void,
    { headersOnly = false, stream = EVENT_STREAM } = {},
  ): Promise<void> {
    const name = randomUUID();
    const created = this.manager.consumers.add(stream, {
      name,
      filter_subject: filter,
      deliver_policy: deliver,
      ack_policy: 'none',
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: 60e9,
      headers_only: headersOnly,
    });
    const { num_pending } = await this.unlessLost(created);
    const consumer = await this.unlessLost(this.client.consumers.get(stream, name));
    const messages = await consumer.consume({ max_messages: 1000, abort_on_missing_resource: true });
    const existing = new Promise<void>((resolve) => {
      if (num_pending === 0) resolve();
      const feed = async () => {
        for await (const message of messages) {
          take(message);
          if (message.info.pending === 0) resolve();
        }
      };
      // A gateway that was stopped for long may find its consumer deleted.
      void feed().then(
        () => this.link.close(),
        () => this.link.close(),
      );
    });
    while (await this.unlessLost(isPending(existing))) {
      // The last message may have been deleted meanwhile.
      if ((await this.unlessLost(consumer.info())).num_pending === 0) break;
    }
  }

  /** Settles as a request; fails at once if the connection is lost. */
  unlessLost<T>(work: Promise<T>): Promise<T> {
    // `work` fails too, and without this its error would end the process.
    return unlessAborted(work, this.link.lost);
  }

  private async page(subject: string, from: number, batch: number): Promise<Stored[]> {
    const found: Stored[] = [];
    const read = async () => {
      const options = { seq: from, next_by_subj: subject, batch };
      for await (const message of await this.manager.direct.getBatch(EVENT_STREAM, options)) found.push(message);
    };
    try {
      // The library's iterator does not end when the connection is lost.
      await this.unlessLost(read());
    } catch (error) {
      if (!/message not found/.test((error as Error).message)) throw error;
    }
    return found;
  }
}

/** Longest wait for a message that may have been deleted, in milliseconds. */
const DELETED_MS = 1_000;

/** Returns true if a promise does not settle soon. */
const isPending = (work: Promise<void>) =>
  Promise.race([work.then(() => false), delay(DELETED_MS, true, { ref: false })]);

/** Keeps a connection to JetStream: replaces one that is lost. */
export class Sessions {
  private readonly over = new AbortController();
  private current: Promise<Session>;
  private done: Promise<void> = Promise.resolve();
  private started = false;

  /**
   * @param opened prepares each new session, such as its consumers
   */
  constructor(
    private readonly address: NatsAddress,
    private readonly log: Logger,
    private readonly opened: (session: Session) => Promise<void>,
  ) {
    this.current = this.connect();
    this.current.catch(() => {});
  }

  /** Connects for the first time. @throws Error if JetStream cannot be used */
  async start(): Promise<void> {
    await this.current;
    this.started = true;
    this.done = this.keep();
  }

  /**
   * Runs `work` on the current session.
   *
   * @throws RpcError UNAVAILABLE if the server is away or does not answer
   */
  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await work(await this.unlessLate());
    } catch (error) {
      throw error instanceof Conflict || error instanceof HifiError || error instanceof RpcError
        ? lostOr(error)
        : awayOr(error);
    }
  }

  /** Reads on the current session; reads again if the connection is lost meanwhile. */
  async read<T>(work: (session: Session) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.use(work);
      } catch (error) {
        if (!isStoreAway(error) || tries === READS || this.over.signal.aborted) throw error;
      }
    }
  }

  async close(): Promise<void> {
    this.over.abort();
    await this.done;
    await (await this.current.catch(() => undefined))?.link.close();
  }

  private async keep(): Promise<void> {
    const { signal } = this.over;
    for (;;) {
      const session = await this.current.catch(() => undefined);
      if (!session || signal.aborted) return;
      const { link } = session;
      await new Promise<void>((resolve) => {
        const forget = [onAbort(link.lost, end), onAbort(signal, end)];
        function end() {
          setImmediate(() => {
            for (const each of forget) each();
          });
          resolve();
        }
      });
      if (signal.aborted) return;
      this.log.warn({ nats: this.address.shown }, 'the connection to the job store was lost');
      this.current = this.connect();
    }
  }

  /** Connects as soon as JetStream is ready. */
  private async connect(): Promise<Session> {
    const away = (error: unknown) =>
      this.log.warn({ nats: this.address.shown, reason: (error as Error).message }, 'the job store is away');
    for (let first = true; ; first = false) {
      const link = await awaitNats(this.address, 'hifi-gateway', this.over.signal, first ? away : undefined, PAUSES);
      try {
        const found = await findJetStream(link);
        if (!found.manager) throw new HifiError('INVALID_INPUT', `--store ${this.address.shown}: ${found.lacks}`);
        const session = new Session(link, found.manager);
        await this.opened(session);
        return session;
      } catch (error) {
        await link.close();
        // A server that restarts may have no JetStream yet.
        if (!this.started && error instanceof HifiError && error.code === 'INVALID_INPUT') throw error;
        away(error);
        await new Promise((resolve) => setTimeout(resolve, PAUSES.first));
      }
    }
  }

  private async unlessLate(): Promise<Session> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(storeAway()), ANSWER_MS);
    });
    try {
      return await Promise.race([this.current, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Pauses between two attempts at a server that is away, in milliseconds. */
const PAUSES = { first: 250, longest: 2_000 };

/** Converts the reason of a lost connection, which is a HifiError FAILED. */
const lostOr = (error: Error) =>
  error instanceof HifiError && error.message.startsWith('the connection to NATS was lost') ? storeAway(error) : error;

function awayOr(error: unknown): unknown {
  const name = (error as Error).name;
  const closed = [
    'ClosedConnectionError',
    'DrainingConnectionError',
    'NoRespondersError',
    'RequestError',
    'JetStreamNotEnabled',
  ];
  if (error instanceof TimeoutError || name === 'TimeoutError' || closed.includes(name)) return storeAway(error);
  // A server that stops, or is silent, ends a request for messages with a status.
  if (error instanceof JetStreamError) return storeAway(error);
  const code = apiCode(error);
  // A cluster without a leader, and a stream that is being recovered.
  if (code !== undefined && [10_008, JetStreamApiCodes.StreamNotFound, 503].includes(code)) return storeAway(error);
  return error;
}

function expect(headers: MsgHdrs, { subject, last }: Expected): void {
  headers.set('Nats-Expected-Last-Subject-Sequence', String(last));
  headers.set('Nats-Expected-Last-Subject-Sequence-Subject', subject);
}

/** Returns the sequence number in an acknowledgement. */
function acknowledged(answer: Msg): number {
  const { error, seq, duplicate } = answer.json<{
    error?: { err_code: number; description: string };
    seq: number;
    duplicate?: boolean;
  }>();
  if (!error && !duplicate) return seq;
  if (!error || CONFLICTS.includes(error.err_code)) throw new Conflict(error?.description ?? 'stored already');
  if (TORN.includes(error.err_code)) throw new TornBatch(error.description);
  if (NO_ROOM.includes(error.err_code)) throw noRoom(`the job store has no room: ${error.description}`);
  throw new Error(`the job store refuses a change: ${error.description} (${error.err_code})`);
}
