import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { pino } from 'pino';
import type { LmdbStore } from '../../gateway/lmdb-store';
import type { Happening } from '../../gateway/record';
import { natsAddress } from '../../infra/nats';

export const silent = pino({ level: 'silent' });

export const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** Creates a job, with its first event. @returns its id */
export async function newJob(store: LmdbStore, requestId: string): Promise<string> {
  const job = { requestId, spec: {}, specHash: requestId, traceparent: TRACEPARENT };
  const refused = () => {
    throw new Error('the job is refused');
  };
  const { record } = await store.create(job, 100, { full: refused, otherSpec: refused });
  return record.id;
}

/** Change of a job that is always an event. */
export const happening = (count: number): Happening => ({
  kind: 'artifact',
  artifact: { name: `part-${count % 7}`, sha256: count.toString(16).padStart(64, '0'), sizeBytes: count },
});

/** Message of the stream, as a client reads it that knows nothing of hifi. */
export interface StoredEvent {
  subject: string;
  headers: Record<string, string>;
  body: { jobId: string; sequence: number; [name: string]: unknown };
}

/** Reads all messages of HIFI_EVENTS in order. */
export async function storedIn(url: string): Promise<StoredEvent[]> {
  return withJetStream(url, async ({ streams }) => {
    const { state } = await streams.info('HIFI_EVENTS');
    const stored: StoredEvent[] = [];
    for (let seq = 1; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage('HIFI_EVENTS', { seq });
      if (!message) throw new Error(`the stream has no message ${seq}`);
      const headers = Object.fromEntries([...message.header].map(([name, [value]]) => [name, value]));
      stored.push({ subject: message.subject, headers, body: message.json() });
    }
    return stored;
  });
}

/** Collects each job's sequence numbers in the stream's order. */
export function sequencesOf(stored: readonly StoredEvent[]): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (const { body } of stored) (found[body.jobId] ??= []).push(body.sequence);
  return found;
}

export async function withJetStream<T>(url: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const { servers, options } = natsAddress(url);
  const nc = await connect({ ...options, servers });
  try {
    return await work(await jetstreamManager(nc));
  } finally {
    await nc.close();
  }
}

/** Numbers 1 … n. */
export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
