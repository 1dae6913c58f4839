import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { invalidInput } from '../../foundation/errors';
import { sha256Of } from '../../foundation/hash';
import { apiCode, denialOf } from '../../infra/nats';
import { ALL_SUBJECTS, EVENT_STREAM } from '../nats-events';
import { refusedForGood } from '../nats-stream';
import { JOB_MS } from '../retention';

/*
 * Streams of a store:
 *   HIFI_EVENTS     the jobs. hifi.v1.jobs.JOB.KIND: events; …JOB.record: other changes
 *                   hifi.v1.requests.HASH: the job of a request_id
 *                   hifi.v1.files.SHA256.JOB: the jobs that have a file
 *   HIFI_DELTAS     hifi.v1.deltas.HASH: a name's registered versions and aliases; the last counts
 *   HIFI_WORK       hifi.v1.work.JOB: one message for each job that has not ended
 *   KV_HIFI_LEASES  key-value bucket: JOB → the gateway that drives it
 * What belongs together is one batch of one stream, so nothing has to be repaired but HIFI_WORK.
 */

export const DELTA_STREAM = 'HIFI_DELTAS';
export const WORK_STREAM = 'HIFI_WORK';
export const LEASE_STREAM = 'KV_HIFI_LEASES';
/** Durable consumer of the waiting work, which all gateways share. */
export const DRIVERS = 'drivers';

/**
 * Default lifetime of a lease, and of a delivery of waiting work, without a renewal, in
 * milliseconds. With the pauses of the claims, a lost gateway's job has another driver within 30 s.
 */
export const LEASE_MS = 20_000;

/** Time in which the stream recognises a repeated event, in milliseconds. */
const DUPLICATE_MS = 2 * 60_000;

export const recordSubject = (id: string) => `hifi.v1.jobs.${id}.record`;
/** All subjects of a job. Every writer expects the last sequence of this text. */
export const jobSubjects = (id: string) => `hifi.v1.jobs.${id}.>`;
export const requestSubject = (requestId: string) => `hifi.v1.requests.${sha256Of(requestId)}`;
export const fileSubject = (sha256: string, id: string) => `hifi.v1.files.${sha256}.${id}`;
export const deltaSubject = (name: string) => `hifi.v1.deltas.${sha256Of(name)}`;
export const workSubject = (id: string) => `hifi.v1.work.${id}`;
export const leaseSubject = (id: string) => `$KV.HIFI_LEASES.${id}`;
/** The last message of each of these subjects has the job's state. */
export const STATE_SUBJECTS = 'hifi.v1.jobs.*.state';
export const DELTA_SUBJECTS = 'hifi.v1.deltas.*';
export const WORK_SUBJECTS = 'hifi.v1.work.*';

/** Returns the job in a subject of its events, records or work. */
export const jobIn = (subject: string) => subject.split('.')[3];

/** Error codes of a server that cannot place three replicas. */
const NO_REPLICAS = [10_005, 10_074];

type Config = Partial<StreamConfig> & { name: string };

/*
 * No stream is compressed: nats-server 2.15.2 cannot recover a compressed one after all servers
 * were killed at once (`smb.truncate: s2: unsupported input`), and loses what it had acknowledged.
 */

const JOBS: Config = {
  name: EVENT_STREAM,
  description: 'Records and events of hifi jobs',
  subjects: [ALL_SUBJECTS, 'hifi.v1.requests.*', 'hifi.v1.files.*.*'],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  allow_atomic: true,
  allow_direct: true,
  duplicate_window: nanos(DUPLICATE_MS),
};

/**
 * Number of a name's last changes in which a gateway finds its own one whose outcome was unknown.
 */
const CHANGES = 64;

const DELTAS: Config = {
  name: DELTA_STREAM,
  description: 'Registered deltas of hifi',
  subjects: [DELTA_SUBJECTS],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  max_msgs_per_subject: CHANGES,
};

const WORK: Config = {
  name: WORK_STREAM,
  description: 'Hifi jobs that have not ended',
  subjects: [WORK_SUBJECTS],
  storage: StorageType.File,
  retention: RetentionPolicy.Workqueue,
  max_msgs_per_subject: 1,
};

const leases = (leaseMs: number): Config => ({
  name: LEASE_STREAM,
  description: 'Drivers of hifi jobs',
  subjects: ['$KV.HIFI_LEASES.>'],
  storage: StorageType.File,
  max_msgs_per_subject: 1,
  max_age: nanos(leaseMs),
  discard: DiscardPolicy.New,
  allow_rollup_hdrs: true,
});

/**
 * Creates the streams and the consumer that do not exist yet. A HIFI_EVENTS of a gateway that only
 * published its events keeps them, and takes records too.
 *
 * @throws HifiError INVALID_INPUT if HIFI_EVENTS is one that cannot hold records
 */
export async function createLayout(manager: JetStreamManager, leaseMs: number): Promise<void> {
  await takeRecords(manager, (await ensured(manager, JOBS)).config);
  await ensured(manager, DELTAS);
  await ensured(manager, WORK);
  await ensured(manager, leases(leaseMs));
  await manager.consumers.add(WORK_STREAM, {
    durable_name: DRIVERS,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(leaseMs),
    // The default of 1,000 unacknowledged messages would stop the delivery without a word.
    max_ack_pending: -1,
    max_deliver: -1,
  });
}

/** Returns a stream that may have to be created, with three replicas where the cluster has them. */
async function ensured({ streams }: JetStreamManager, config: Config): Promise<{ config: StreamConfig }> {
  for (const num_replicas of [3, 1]) {
    try {
      return await streams.add({ ...config, num_replicas });
    } catch (error) {
      const code = apiCode(error);
      if (code === NAME_IN_USE) return streams.info(config.name);
      if (num_replicas === 1 || code === undefined || !NO_REPLICAS.includes(code)) throw error;
      // A stream of this name may have been created with one replica.
      const found = await streams.info(config.name).catch(() => undefined);
      if (found) return found;
    }
  }
  throw new Error('unreachable');
}

/** Error code of a stream that exists with other settings. */
const NAME_IN_USE = 10_058;

/**
 * Updates a stream of events so that it holds records of jobs.
 *
 * @throws HifiError INVALID_INPUT for a stream that cannot hold them, or that the server does not
 *   let this user update
 */
async function takeRecords({ streams }: JetStreamManager, stream: StreamConfig): Promise<void> {
  const refused = (why: string, cause?: unknown) =>
    invalidInput(`stream ${EVENT_STREAM} ${why}: change that, or delete the stream with its events`, cause);
  // An outbox's stream discards events at the age of a job that ended; a store deletes jobs itself.
  const max_age = stream.max_age === nanos(JOB_MS) ? 0 : stream.max_age;
  const wrong = shortcomingOf({ ...stream, max_age });
  if (wrong) throw refused(wrong);
  const missing = (JOBS.subjects as string[]).filter((subject) => !stream.subjects.includes(subject));
  if (missing.length === 0 && stream.allow_atomic && stream.allow_direct && max_age === stream.max_age) return;
  const subjects = [...stream.subjects, ...missing];
  try {
    await streams.update(EVENT_STREAM, { subjects, max_age, allow_atomic: true, allow_direct: true });
  } catch (error) {
    const denied = denialOf(error);
    if (denied === undefined && !refusedForGood(error)) throw error;
    throw refused(`cannot be updated to hold the records of jobs (${denied ?? (error as Error).message})`, error);
  }
}

/** Reason that a stream cannot hold the records of jobs, whatever its subjects. */
function shortcomingOf(stream: StreamConfig): string | undefined {
  if (stream.sealed) return 'is sealed';
  if (stream.mirror) return `mirrors ${stream.mirror.name} and accepts no events itself`;
  if (stream.storage !== StorageType.File) return "is in the server's memory";
  if (stream.retention !== RetentionPolicy.Limits) return `has the retention ${stream.retention}`;
  if (stream.max_age > 0 || stream.max_msgs > 0 || stream.max_msgs_per_subject > 0)
    return 'discards old messages by a limit';
  return undefined;
}
