import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../foundation/backoff';
import { onAbort } from '../foundation/on-abort';
import { Waker } from '../foundation/waker';
import type { Logger } from '../infra/log';
import { awaitNats, NATS_PAUSES, type NatsAddress, type NatsLink, natsAddress } from '../infra/nats';
import { type EventChannel, openChannel } from './event-channel';
import type { LmdbStore, Unpublished } from './lmdb-store';
import { OutboxLog } from './outbox-log';

/** Number of events that are read at once. */
const BATCH = 64;
/** Longest time that `stop` continues to publish, in milliseconds. */
const STOP_MS = 2_000;
/** Interval at which a server that lacks something is checked again, in milliseconds. */
const LOOK_AGAIN_MS = 5 * 60_000;

/**
 * Publishes the events of a store on NATS, in their order. The store keeps an event until the
 * server has it. If that is unknown, the outbox sends it again, and the stream or a reader drops it
 * by its id. Events wait while the server is away or refuses the first of them. The outbox skips an
 * event that the server can never accept. A store has one outbox at a time.
 */
export class Outbox {
  private readonly address: NatsAddress;
  private readonly over = new AbortController();
  /** Other servers of the cluster, which may be available when the given one is not. */
  private cluster: readonly string[] = [];
  private stopping = false;
  private readonly waker = new Waker();
  private done: Promise<void> = Promise.resolve();
  private readonly log: OutboxLog;
  private readonly backoff: Backoff;

  /**
   * Creates an outbox; `start` connects it.
   *
   * @param url see `natsAddress`
   * @param pauses pauses between two attempts at a server that is away or refuses
   * @throws HifiError INVALID_INPUT for an invalid address
   */
  constructor(
    private readonly store: LmdbStore,
    url: string,
    log: Logger,
    private readonly pauses = NATS_PAUSES,
  ) {
    this.address = natsAddress(url);
    this.log = new OutboxLog(log, this.address.shown);
    this.backoff = new Backoff(pauses);
  }

  /** Starts to publish, as soon as NATS is available. */
  start(): void {
    this.done = this.run();
  }

  /**
   * Publishes the remaining events, for at most two seconds and only if none waits, then ends. The
   * next start resumes.
   */
  async stop(): Promise<void> {
    this.stopping = true;
    this.waker.wake();
    const late = setTimeout(() => this.over.abort(), this.log.waiting ? 0 : STOP_MS);
    await this.done;
    clearTimeout(late);
  }

  private async run(): Promise<void> {
    const stopWatching = this.store.onChange(() => this.waker.wake());
    try {
      while (!this.stopping) await this.publishOn(await this.connect());
    } catch (error) {
      if (!this.over.signal.aborted) this.log.ended(error);
    } finally {
      stopWatching();
      this.log.close();
    }
  }

  private connect(): Promise<NatsLink> {
    const away = (error: unknown) => this.logWaiting(error);
    const servers = [...new Set([...this.address.servers, ...this.cluster])];
    return awaitNats({ ...this.address, servers }, 'hifi-gateway', this.over.signal, away, this.pauses);
  }

  /** Publishes for as long as a connection lasts. */
  private async publishOn(link: NatsLink): Promise<void> {
    const forget = onAbort(this.over.signal, () => void link.close());
    try {
      do await this.publishFor(link);
      while (!this.stopping && !link.lost.aborted);
    } finally {
      forget();
      this.cluster = link.cluster;
      await link.close();
    }
  }

  /** Publishes until the server refuses an event or must be checked again. */
  private async publishFor(link: NatsLink): Promise<void> {
    try {
      await this.publish(await openChannel(link), link.lost);
    } catch (error) {
      this.over.signal.throwIfAborted();
      this.logWaiting(error);
      await delay(this.backoff.next(), undefined, { signal: this.over.signal });
    }
  }

  private async publish(channel: EventChannel, lost: AbortSignal): Promise<void> {
    const lookAgain = Date.now() + LOOK_AGAIN_MS;
    for (;;) {
      const woken = this.waker.sleep(lost);
      const events = this.store.unpublished(BATCH);
      if (events.length > 0) {
        await this.send(channel, events);
        if (channel.lacks.length > 0 && Date.now() > lookAgain) return;
      } else if (this.stopping) {
        return;
      } else {
        this.backoff.reset();
        this.log.connected(channel);
        await woken;
        lost.throwIfAborted();
      }
    }
  }

  private async send(channel: EventChannel, events: readonly Unpublished[]): Promise<void> {
    let left: number | undefined;
    try {
      for await (const { unpublished, tooLarge } of channel.send(events)) {
        left = unpublished.position;
        this.backoff.reset();
        if (tooLarge) this.log.tooLarge(unpublished.event, tooLarge);
        else this.log.published(channel);
      }
    } finally {
      if (left !== undefined) await this.store.published(left);
    }
  }

  private logWaiting(error: unknown): void {
    this.log.waits(error, this.store.unpublished(1)[0]?.event);
  }
}
