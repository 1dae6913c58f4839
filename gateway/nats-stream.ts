import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { apiCode, denialOf } from '../infra/nats';
import { ALL_SUBJECTS, EVENT_KINDS, EVENT_STREAM, type EventKind, subjectOf } from './nats-events';
import { JOB_MS } from './retention';

/**
 * Time in which the stream recognises a repeated event, in milliseconds. It only covers events in
 * flight: after an outage of any length, a new channel looks up which events the stream has.
 */
const DUPLICATE_MS = 10 * 60_000;

/** Server's error code when another client has just created that stream with other settings. */
const NAME_IN_USE = 10_058;
/** Server's error codes when it has no room for another stream: memory, storage, any resource. */
const NO_ROOM = [10_023, 10_028, 10_047];

const DAY_MS = 24 * 60 * 60_000;

/** Stream that acknowledges events. */
export interface AckStream {
  name: string;
  /** Largest message that it accepts, in bytes with headers. */
  maxBytes: number;
}

/** Streams in which the server stores events. */
export interface StreamLayout {
  /** Kind of event → the stream that acknowledges it; `unknown` if this user may not ask. */
  ackStreams: Map<EventKind, AckStream | 'unknown'>;
  /** Reasons that HIFI_EVENTS does not store every event, each with its remedy. */
  lacks: string[];
  /** Limits by which a stream discards events that a late reader may want. */
  discards: string[];
}

/**
 * Creates HIFI_EVENTS if it does not exist and finds out which stream stores which events. An
 * existing stream stays unchanged; another stream may take the kinds of events that it does not.
 *
 * @throws Error if that is unknown: the server is away, or a cluster has no leader
 */
export async function streamLayout(manager: JetStreamManager): Promise<StreamLayout> {
  const own = await ownStream(manager);
  const lacks = typeof own === 'string' ? [own] : shortcomings(own);
  const ackStreams: StreamLayout['ackStreams'] = new Map();
  const streams = new Map<string, StreamConfig>();
  for (const kind of EVENT_KINDS) {
    const subject = subjectOf('any', kind);
    const stream = typeof own !== 'string' && takes(own, subject) ? own : await holderOf(manager, subject);
    if (!stream) continue;
    ackStreams.set(kind, stream === 'unknown' ? stream : ackStreamOf(stream));
    if (stream !== 'unknown') streams.set(stream.name, stream);
  }
  return { ackStreams, lacks, discards: [...streams.values()].flatMap(limitsOf) };
}

const ackStreamOf = ({ name, max_msg_size }: StreamConfig): AckStream => ({
  name,
  maxBytes: max_msg_size > 0 ? max_msg_size : Number.POSITIVE_INFINITY,
});

/** Returns HIFI_EVENTS, or the reason that it is not available. */
async function ownStream({ streams }: JetStreamManager): Promise<StreamConfig | string> {
  try {
    return (await streams.info(EVENT_STREAM)).config;
  } catch (error) {
    const denied = denialOf(error);
    if (denied !== undefined) return denied;
    if (apiCode(error) !== JetStreamApiCodes.StreamNotFound) throw error;
  }
  try {
    const { config } = await streams.add({
      name: EVENT_STREAM,
      description: 'Events of hifi jobs',
      subjects: [ALL_SUBJECTS],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_age: nanos(JOB_MS),
      duplicate_window: nanos(DUPLICATE_MS),
    });
    return config;
  } catch (error) {
    if (apiCode(error) === NAME_IN_USE) return (await streams.info(EVENT_STREAM)).config;
    const denied = denialOf(error);
    if (denied !== undefined) return `stream ${EVENT_STREAM} cannot be created: ${denied}`;
    if (refusedForGood(error)) return `stream ${EVENT_STREAM} cannot be created: ${(error as Error).message}`;
    throw error;
  }
}

/**
 * Returns true for a refusal that lasts until somebody changes the server. A cluster without a
 * leader answers 503 and may recover.
 */
export const refusedForGood = (error: unknown) =>
  error instanceof JetStreamApiError && (error.status < 500 || NO_ROOM.includes(error.code));

/** Returns another stream that acknowledges messages of a subject. */
async function holderOf({ streams }: JetStreamManager, subject: string): Promise<StreamConfig | 'unknown' | undefined> {
  try {
    const { config } = await streams.info(await streams.find(subject));
    return takes(config, subject) ? config : undefined;
  } catch (error) {
    if (denialOf(error) !== undefined) return 'unknown';
    if (apiCode(error) === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}

/** Returns true if a stream acknowledges messages of a subject. A mirror has no subjects. */
const takes = ({ subjects, sealed, no_ack }: StreamConfig, subject: string) =>
  !sealed && !no_ack && (subjects ?? []).some((pattern) => covers(pattern, subject));

/** Returns true if a subject, which may contain wildcards, is within a pattern. */
function covers(pattern: string, subject: string): boolean {
  const [wanted, parts] = [pattern.split('.'), subject.split('.')];
  const same = wanted.every(
    (part, at) => part === '>' || (part === '*' && parts[at] !== undefined && parts[at] !== '>') || part === parts[at],
  );
  return same && (wanted.at(-1) === '>' ? parts.length >= wanted.length : parts.length === wanted.length);
}

function shortcomings({ name, subjects, sealed, no_ack, mirror }: StreamConfig): string[] {
  if (sealed) return [`stream ${name} is sealed: delete it, and hifi creates another`];
  if (mirror) return [`stream ${name} mirrors ${mirror.name} and accepts no events itself`];
  if (no_ack) return [`stream ${name} acknowledges nothing (no_ack): it may refuse events unnoticed`];
  if ((subjects ?? []).some((pattern) => covers(pattern, ALL_SUBJECTS))) return [];
  return [`stream ${name} accepts ${(subjects ?? []).join(', ')} only: add ${ALL_SUBJECTS} to its subjects`];
}

/** Limits by which a stream discards events before their job is deleted. */
function limitsOf(stream: StreamConfig): string[] {
  const { name, discard, max_age, max_msgs, max_bytes, storage, retention } = stream;
  const { max_msgs_per_subject, discard_new_per_subject } = stream;
  const limits: string[] = [];
  const most = (limit: number, what: string) =>
    limit > 0 && limits.push(`at most ${limit.toLocaleString('en')} ${what}`);
  if (discard === DiscardPolicy.Old) {
    most(max_msgs, 'messages');
    most(max_bytes, 'bytes');
  }
  if (!discard_new_per_subject) most(max_msgs_per_subject, 'messages per subject');
  if (max_age > 0 && max_age < nanos(JOB_MS)) {
    const days = max_age / nanos(DAY_MS);
    limits.push(`messages of the last ${days >= 1 ? `${days.toFixed(0)} days` : `${(max_age / 1e9).toFixed(0)} s`}`);
  }
  const found = limits.length === 0 ? [] : [`stream ${name} stores ${limits.join(', ')} and discards older ones`];
  if (storage === StorageType.Memory) found.push(`stream ${name} is in the server's memory and ends with it`);
  if (retention !== RetentionPolicy.Limits)
    found.push(`stream ${name} discards messages that its consumers have acknowledged (${retention})`);
  return found;
}
