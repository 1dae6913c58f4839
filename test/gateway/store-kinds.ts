import * as fs from 'node:fs';
import * as path from 'node:path';
import { JetStreamStore } from '../../gateway/jetstream/store';
import { LmdbStore } from '../../gateway/lmdb-store';
import type { JobStore } from '../../gateway/store';
import { temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { silent, withJetStream } from './outbox-jobs';

/** Kind of store that the suite of all stores runs against. */
interface StoreKind {
  name: string;
  /** Starts what the stores need. */
  start(): Promise<void>;
  /** Opens an empty store. */
  open(): Promise<JobStore>;
  /** Opens a store for another gateway, if its kind allows several, else returns the same one. */
  another(store: JobStore): Promise<JobStore>;
  /** Closes a store and opens its content again. */
  reopen(store: JobStore): Promise<JobStore>;
  /** Closes all open stores. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

class LmdbKind implements StoreKind {
  readonly name = 'lmdb';
  private scratch = '';
  private readonly opened = new Map<JobStore, string>();
  private count = 0;

  async start(): Promise<void> {
    this.scratch = temporaryFolder('store');
  }

  async open(folder = path.join(this.scratch, String(this.count++))): Promise<JobStore> {
    const store = new LmdbStore(folder, false);
    this.opened.set(store, folder);
    return store;
  }

  async another(store: JobStore): Promise<JobStore> {
    return store;
  }

  async reopen(store: JobStore): Promise<JobStore> {
    const folder = this.opened.get(store);
    await store.close();
    this.opened.delete(store);
    return this.open(folder);
  }

  async clear(): Promise<void> {
    for (const store of this.opened.keys()) await store.close();
    this.opened.clear();
  }

  async stop(): Promise<void> {
    fs.rmSync(this.scratch, { recursive: true });
  }
}

class JetStreamKind implements StoreKind {
  readonly name = 'JetStream';
  private server!: NatsServer;
  private readonly opened = new Set<JobStore>();

  async start(): Promise<void> {
    this.server = await startNats({ jetstream: true });
  }

  async open(): Promise<JobStore> {
    await withJetStream(this.server.url, async ({ streams }) => {
      for await (const name of streams.names()) await streams.delete(name);
    });
    return this.connect();
  }

  async another(): Promise<JobStore> {
    return this.connect();
  }

  async reopen(store: JobStore): Promise<JobStore> {
    await store.close();
    this.opened.delete(store);
    return this.connect();
  }

  async clear(): Promise<void> {
    for (const store of this.opened) await store.close();
    this.opened.clear();
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }

  private async connect(): Promise<JobStore> {
    const store = await JetStreamStore.open(this.server.url, silent);
    this.opened.add(store);
    return store;
  }
}

export const STORES: StoreKind[] = [new LmdbKind(), new JetStreamKind()];
