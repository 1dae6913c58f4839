import { JetStreamApiCodes, type JetStreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { apiCode, findJetStream, unlessAborted } from '../infra/nats';
import { ALL_SUBJECTS, EVENT_ID, EVENT_STREAM, natsMessage, sequenceOf, subjectsOf } from './nats-events';
import { JOB_MS } from './retention';
import type { Unpublished } from './store';

/**
 * How long the stream knows an event that it is sent again, in milliseconds. Only one that is still on its way can come so late: what
 * an outage leaves in doubt is looked up, however long that was.
 */
const DUPLICATE_MS = 10 * 60_000;

/** What the server answers where a stream of that name has been made meanwhile, in another way. */
const NAME_IN_USE = 10_058;

/** The way to NATS while a connection lasts. */
export interface EventChannel {
  /** Whether a stream keeps what is sent. */
  keeps: boolean;
  /**
   * Hands events over in the order given and settles once the server has them all. Those that the stream already has are left out.
   *
   * @throws Error where that is not known of all
   */
  send(events: readonly Unpublished[]): Promise<void>;
}

/**
 * @param signal is aborted when the connection is lost: the next one has a channel of its own
 * @throws Error where the server is away or refuses the stream; the signal's reason
 */
export async function openChannel(nc: NatsConnection, signal: AbortSignal): Promise<EventChannel> {
  // Settles at once, also where the server is away: a question would wait for its time to be over.
  await unlessAborted(nc.flush(), signal);
  const manager = await unlessAborted(findJetStream(nc), signal);
  if (!manager) return coreChannel(nc, signal);
  await unlessAborted(ensureStream(manager), signal);
  return streamChannel(manager, signal);
}

/** Whoever listens has the events. */
function coreChannel(nc: NatsConnection, signal: AbortSignal): EventChannel {
  return {
    keeps: false,
    async send(events) {
      signal.throwIfAborted();
      for (const event of events) {
        const { subject, body, headers } = natsMessage(event);
        nc.publish(subject, body, { headers });
      }
      await unlessAborted(nc.flush(), signal);
    },
  };
}

/** One event after the other: were a second on its way with the first, it could be there without it when the server goes down. */
function streamChannel(manager: JetStreamManager, signal: AbortSignal): EventChannel {
  const stream = manager.jetstream();
  // What was sent before this channel was there, by another one or another process, is the beginning of what is sent first.
  let inDoubt = true;
  return {
    keeps: true,
    async send(events) {
      const kept = inDoubt ? await lastKept(manager, events, signal) : new Map<string, number>();
      for (const unpublished of events) {
        const { jobId, sequence } = unpublished.event;
        if (sequence <= (kept.get(jobId) ?? 0)) continue;
        const { subject, body, headers } = natsMessage(unpublished);
        signal.throwIfAborted();
        await unlessAborted(stream.publish(subject, body, { headers }), signal);
      }
      inDoubt = false;
    },
  };
}

/** The last event that the stream has of each job. @returns job → sequence number */
async function lastKept(
  { streams }: JetStreamManager,
  events: readonly Unpublished[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const kept = new Map<string, number>();
  for (const jobId of new Set(events.map(({ event }) => event.jobId))) {
    const last = await unlessAborted(streams.getMessage(EVENT_STREAM, { last_by_subj: subjectsOf(jobId) }), signal);
    if (last) kept.set(jobId, sequenceOf(last.header.get(EVENT_ID)));
  }
  return kept;
}

/** Makes the stream where it is not there. One that somebody has made or changed stays as it is. */
async function ensureStream({ streams }: JetStreamManager): Promise<void> {
  try {
    await streams.info(EVENT_STREAM);
    return;
  } catch (error) {
    if (apiCode(error) !== JetStreamApiCodes.StreamNotFound) throw error;
  }
  try {
    await streams.add({
      name: EVENT_STREAM,
      description: 'Events of hifi jobs',
      subjects: [ALL_SUBJECTS],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_age: nanos(JOB_MS),
      duplicate_window: nanos(DUPLICATE_MS),
    });
  } catch (error) {
    if (apiCode(error) !== NAME_IN_USE) throw error;
  }
}
