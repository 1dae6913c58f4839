import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '../infra/log';
import { awaitNats, lossOf, type NatsAddress, natsAddress } from '../infra/nats';
import { type EventChannel, openChannel } from './event-channel';
import type { JobStore } from './store';

/** Events that are read at a time. */
const BATCH = 64;
/** Between two attempts at a server that does not take what it is sent, in milliseconds. */
const PAUSE_MS = 250;
/** How long `stop` goes on publishing, in milliseconds. */
const STOP_MS = 2_000;

/**
 * Publishes the events of a store on NATS, in their order. An event stays in the store until the server has it; where that is not
 * known it is sent again, and a reader or the stream drops it by its id. A store has one outbox at a time.
 */
export class Outbox {
  private readonly address: NatsAddress;
  private readonly over = new AbortController();
  private stopping = false;
  private wake = () => {};
  private done: Promise<void> = Promise.resolve();
  /** What was logged last: an outage is told once. */
  private told: 'nothing' | 'away' | 'there' = 'nothing';

  /**
   * @param url see `natsAddress`
   * @throws HifiError INVALID_INPUT where it is none
   */
  constructor(
    private readonly store: JobStore,
    url: string,
    private readonly log: Logger,
  ) {
    this.address = natsAddress(url);
  }

  /** Begins; NATS may come later. */
  start(): void {
    this.done = this.run();
  }

  /** Publishes what is left, for two seconds at most and not where NATS is away, and ends. The next start goes on with the rest. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    const late = setTimeout(() => this.over.abort(), this.told === 'there' ? STOP_MS : 0);
    await this.done;
    clearTimeout(late);
  }

  private async run(): Promise<void> {
    const stopWatching = this.store.onChange(() => this.wake());
    let nc: NatsConnection | undefined;
    try {
      nc = await awaitNats(this.address, 'hifi-gateway', this.over.signal, (error) => this.tellAway(error));
      while (!this.stopping) await this.publishOn(nc);
    } catch (error) {
      if (!this.over.signal.aborted) this.log.error({ err: error }, 'events are no longer published');
    } finally {
      stopWatching();
      await nc?.close();
    }
  }

  /** Publishes for as long as a connection lasts. */
  private async publishOn(nc: NatsConnection): Promise<void> {
    const signal = AbortSignal.any([lossOf(nc), this.over.signal]);
    try {
      const channel = await openChannel(nc, signal);
      this.tellThere(channel);
      await this.publish(channel, signal);
    } catch (error) {
      if (this.over.signal.aborted) return;
      this.tellAway(error);
      await delay(PAUSE_MS, undefined, { signal: this.over.signal });
    }
  }

  private async publish(channel: EventChannel, signal: AbortSignal): Promise<void> {
    for (;;) {
      const woken = this.nextWake(signal);
      const events = this.store.unpublished(BATCH);
      const last = events.at(-1);
      if (last) {
        await channel.send(events);
        await this.store.published(last.place);
      } else if (this.stopping) {
        return;
      } else {
        await woken;
        signal.throwIfAborted();
      }
    }
  }

  /** Settles when something has changed, when this is to stop, and when the signal is aborted. */
  private nextWake(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.wake();
      this.wake = wake;
      signal.addEventListener('abort', wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  private tellThere({ keeps }: EventChannel): void {
    this.told = 'there';
    this.log.info({ nats: this.address.shown, jetstream: keeps }, 'events are published');
  }

  private tellAway(error: unknown): void {
    if (this.told !== 'away') this.log.warn({ nats: this.address.shown, err: error }, 'events wait for NATS');
    this.told = 'away';
  }
}
