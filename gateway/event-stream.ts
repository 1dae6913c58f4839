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
 * How long the stream knows an event that it is sent again, in milliseconds. Only one that is still on its way can come so late: what
 * an outage leaves in doubt is looked up, however long that was.
 */
const DUPLICATE_MS = 10 * 60_000;

/** What the server answers where a stream of that name has been made meanwhile, in another way. */
const NAME_IN_USE = 10_058;
/** What it answers where the account or the server has no room for another stream: memory, storage, any of them. */
const NO_ROOM = [10_023, 10_028, 10_047];

const DAY_MS = 24 * 60 * 60_000;

/** A stream that acknowledges events. */
export interface Keeper {
  name: string;
  /** The most bytes of a message with its headers that it takes. */
  maxBytes: number;
}

/** Where the server keeps events. */
export interface Keeping {
  /** The stream that acknowledges events of a kind; `unknown` where this user may not ask. */
  keepers: Map<EventKind, Keeper | 'unknown'>;
  /** What is missing for HIFI_EVENTS to keep every event, and what to do about it. */
  lacks: string[];
  /** What makes a stream forget events that a late reader may want. */
  forgets: string[];
}

/**
 * Makes HIFI_EVENTS where it does not exist and finds out which stream keeps what. A stream that somebody has made or changed stays
 * as it is; where it does not take events of a kind another stream may.
 *
 * @throws Error where that is not known: the server is away, or a cluster has no leader
 */
export async function keepingOf(manager: JetStreamManager): Promise<Keeping> {
  const own = await ownStream(manager);
  const lacks = typeof own === 'string' ? [own] : shortcomings(own);
  const keepers: Keeping['keepers'] = new Map();
  const streams = new Map<string, StreamConfig>();
  for (const kind of EVENT_KINDS) {
    const subject = subjectOf('any', kind);
    const stream = typeof own !== 'string' && takes(own, subject) ? own : await holderOf(manager, subject);
    if (!stream) continue;
    keepers.set(kind, stream === 'unknown' ? stream : keeperOf(stream));
    if (stream !== 'unknown') streams.set(stream.name, stream);
  }
  return { keepers, lacks, forgets: [...streams.values()].flatMap(limitsOf) };
}

const keeperOf = ({ name, max_msg_size }: StreamConfig): Keeper => ({
  name,
  maxBytes: max_msg_size > 0 ? max_msg_size : Number.POSITIVE_INFINITY,
});

/** HIFI_EVENTS, or why it cannot be had. */
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
    if (denied !== undefined) return `stream ${EVENT_STREAM} cannot be made: ${denied}`;
    if (refusedForGood(error)) return `stream ${EVENT_STREAM} cannot be made: ${(error as Error).message}`;
    throw error;
  }
}

/** Whether a refusal stays until somebody changes the server: a cluster that has no leader for now answers 503. */
export const refusedForGood = (error: unknown) =>
  error instanceof JetStreamApiError && (error.status < 500 || NO_ROOM.includes(error.code));

/** The stream of another name that acknowledges a subject's messages. */
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

/** Whether a stream acknowledges a subject's messages. A mirror has no subjects. */
const takes = ({ subjects, sealed, no_ack }: StreamConfig, subject: string) =>
  !sealed && !no_ack && (subjects ?? []).some((pattern) => covers(pattern, subject));

/** Whether a subject, which may have wildcards itself, is within a pattern. */
function covers(pattern: string, subject: string): boolean {
  const [asked, parts] = [pattern.split('.'), subject.split('.')];
  const same = asked.every(
    (part, at) => part === '>' || (part === '*' && parts[at] !== undefined && parts[at] !== '>') || part === parts[at],
  );
  return same && (asked.at(-1) === '>' ? parts.length >= asked.length : parts.length === asked.length);
}

function shortcomings({ name, subjects, sealed, no_ack, mirror }: StreamConfig): string[] {
  if (sealed) return [`stream ${name} is sealed: delete it, and hifi makes another`];
  if (mirror) return [`stream ${name} mirrors ${mirror.name} and takes no events itself`];
  if (no_ack) return [`stream ${name} acknowledges nothing (no_ack): it may refuse events unnoticed`];
  if ((subjects ?? []).some((pattern) => covers(pattern, ALL_SUBJECTS))) return [];
  return [`stream ${name} takes ${(subjects ?? []).join(', ')} only: add ${ALL_SUBJECTS} to its subjects`];
}

/** Limits by which a stream loses events before their job is forgotten. */
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
  if (!discard_new_per_subject) most(max_msgs_per_subject, 'messages a subject');
  if (max_age > 0 && max_age < nanos(JOB_MS)) {
    const days = max_age / nanos(DAY_MS);
    limits.push(`messages of the last ${days >= 1 ? `${days.toFixed(0)} days` : `${(max_age / 1e9).toFixed(0)} s`}`);
  }
  const found = limits.length === 0 ? [] : [`stream ${name} keeps ${limits.join(', ')} and discards older ones`];
  if (storage === StorageType.Memory) found.push(`stream ${name} is in the server's memory and ends with it`);
  if (retention !== RetentionPolicy.Limits)
    found.push(`stream ${name} drops what its consumers have acknowledged (${retention})`);
  return found;
}
