import { RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { withJetStream } from '../outbox-jobs';
import { messagesOf, type Recorded } from './stream-faults';

const LEASES = 'KV_HIFI_LEASES';
const HISTORY = 'LEASES_HISTORY';
/** Entries of a job that the bucket keeps: enough for a mirror that falls behind. */
const ENTRIES = 64;

/** Starts to store every entry of the leases in a mirror of their stream. */
export async function recordLeases(url: string): Promise<void> {
  await withJetStream(url, async ({ streams }) => {
    const { config } = await streams.info(LEASES);
    await streams.update(LEASES, { ...config, max_msgs_per_subject: ENTRIES });
    const { num_replicas } = config;
    const retention = RetentionPolicy.Limits;
    await streams.add({ name: HISTORY, mirror: { name: LEASES }, storage: StorageType.File, num_replicas, retention });
  });
}

/** Reads all recorded entries; `missing` is the number of those that the mirror lacks. */
export async function recordedLeases(url: string): Promise<{ entries: Recorded[]; missing: number }> {
  const entries = await messagesOf(url, HISTORY);
  return { entries, missing: (entries.at(-1)?.seq ?? 0) - entries.length };
}
