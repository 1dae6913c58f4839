import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import type { Logger } from '../infra/log';
import { natsAddress } from '../infra/nats';
import type { ServeSettings } from '../infra/service/settings';
import { JetStreamStore } from './jetstream/store';
import { LmdbStore } from './lmdb-store';
import { Outbox } from './outbox';
import type { JobStore } from './store';

/**
 * Opens the gateway's store: JetStream, or lmdb in the state directory. JetStream's events are
 * published by being stored; lmdb's leave through an outbox.
 *
 * @throws HifiError INVALID_INPUT for an invalid address, or if `natsUrl` names other servers than
 *   the store
 */
export async function openStore(
  { stateDir, store: url, natsUrl }: Pick<ServeSettings, 'stateDir' | 'store' | 'natsUrl'>,
  log: Logger,
): Promise<{ store: JobStore; outbox?: Outbox }> {
  if (url === undefined) {
    const store = new LmdbStore(path.join(stateDir, 'jobs'), natsUrl !== undefined);
    return { store, ...(natsUrl !== undefined && { outbox: new Outbox(store, natsUrl, log) }) };
  }
  const [own, other] = [url, natsUrl ?? url].map((each) => natsAddress(each).servers.sort().join(', '));
  if (own !== other) {
    throw invalidInput(
      `NATS_URL names ${other}, and --store ${own}: the store publishes the events too; unset NATS_URL`,
    );
  }
  return { store: await JetStreamStore.open(url, log) };
}
