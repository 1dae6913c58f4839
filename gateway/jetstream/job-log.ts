import { fromJsonString } from '@bufbuild/protobuf';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { failed } from '../../foundation/errors';
import { JobEventSchema } from '../../proto/gen/hifi/v1/gateway_pb';
import { eventOf } from '../job-message';
import { EVENT_KINDS, natsMessage } from '../nats-events';
import { after, type Happening, hasEnded, type JobEventRecord, type JobRecord } from '../record';
import { type NewJob, newRecord } from '../store';
import { filesNamedBy } from '../stored-spec';
import { fileSubject, recordSubject } from './layout';

/*
 * A job is the messages of its subjects in the stream's order. Events are stored as they are
 * published. Other changes, and first of all the job's creation, are JSON under its `record`
 * subject. The record is computed from them by the same function that computed the events.
 */

/** First change of a job. */
interface Creation extends NewJob {
  kind: 'created';
}

/** Body of a message under a `record` subject. */
interface Change {
  /** Time, in milliseconds since the epoch. */
  time: number;
  change: Creation | Happening;
}

/** Origin of a change. */
export interface Writer {
  gateway: string;
  /** Identifies the call that makes the change, with all its tries. */
  call: string;
}

/** Header that names a change's gateway, its call and the latest attempt that it has seen. */
const WRITER = 'Hifi-Note';

/** Message to append. */
export interface Entry {
  subject: string;
  body: string;
  headers: MsgHdrs;
}

/** Message of the stream. */
export interface Stored {
  subject: string;
  seq: number;
  header?: MsgHdrs;
  string(): string;
}

/** Job as its messages up to one of them describe it. */
export interface Job {
  record: JobRecord;
  spec: unknown;
  specHash: string;
  /** SHA-256 of all files that the job has, or had before a result replaced them. */
  files: ReadonlySet<string>;
  /** Gateway that began the job's last attempt. */
  driver?: string;
  /** Sequence number of its last message in the stream. */
  last: number;
}

/** Computes a new job and its messages. */
export function createdJob(id: string, given: NewJob, now: number, writer: Writer): { job: Job; entries: Entry[] } {
  const creation: Creation = { kind: 'created', ...given };
  const job = newJob(id, creation, now);
  const entries = [recordEntry(id, creation, now), ...[...job.files].map((sha256) => fileEntry(sha256, id))];
  const queued = appended(job, [{ kind: 'state', state: 'QUEUED' }], now, writer);
  return { job: queued.job, entries: [...entries, ...queued.entries] };
}

/**
 * Computes a job after some changes, and the messages that store them. Changes without an effect
 * have no message. Neither has a progress between two progress events: a later one replaces it.
 */
export function appended(
  before: Job,
  happenings: readonly Happening[],
  now: number,
  writer: Writer,
): { job: Job; entries: Entry[] } {
  let job = before;
  const entries: Entry[] = [];
  // They come first: the sequence of the job's own last message is expected next.
  const named: Entry[] = [];
  const { id, traceparent } = job.record;
  const sign = (entry: Entry, { attempt }: JobRecord) =>
    entry.headers.set(WRITER, `${writer.gateway} ${writer.call} ${attempt}`);
  for (const happening of happenings) {
    if (hasEnded(job.record)) break;
    const { record, events } = after(job.record, [happening], now);
    const [event] = events;
    if (!event && isEvent(happening)) continue;
    const entry = event ? natsMessage({ event, traceparent }) : recordEntry(id, happening, now);
    sign(entry, record);
    entries.push(entry);
    const files = filesAfter(job, happening);
    for (const sha256 of files) if (!job.files.has(sha256)) named.push(fileEntry(sha256, id));
    job = { ...job, record, files, driver: driverAfter(job, happening, writer) };
  }
  return { job, entries: [...named, ...entries] };
}

/** Returns the origin in a message's headers. */
export function writerOf(fields: Stored['header']): Writer | undefined {
  const [gateway, call] = fields?.get(WRITER).split(' ') ?? [];
  return gateway && call ? { gateway, call } : undefined;
}

/**
 * Applies one stored message to a job.
 *
 * @param before undefined before the job's first message
 * @throws HifiError FAILED if the message does not continue the job
 */
export function applied(before: Job | undefined, id: string, message: Stored): Job {
  const { time, change, sequence } = contentOf(message);
  if (change.kind === 'created') return { ...newJob(id, change, time), last: message.seq };
  if (!before) throw failed(`message ${message.seq} of job ${id} precedes its creation`);
  const { record, events } = after(before.record, [change], time);
  if (sequence !== undefined && events[0]?.sequence !== sequence) {
    throw failed(`message ${message.seq} of job ${id} has event ${sequence} after ${before.record.sequence}`);
  }
  const driver = driverAfter(before, change, writerOf(message.header));
  return { ...before, record, files: filesAfter(before, change), driver, last: message.seq };
}

function newJob(id: string, creation: Creation, time: number): Job {
  const { spec, specHash } = creation;
  return { record: newRecord(id, creation, time), spec, specHash, files: new Set(filesNamedBy(spec)), last: 0 };
}

function contentOf(message: Stored): Change & { sequence?: number } {
  if (message.subject.endsWith('.record')) return JSON.parse(message.string()) as Change;
  const { event, time, sequence } = eventOf(fromJsonString(JobEventSchema, message.string()));
  return { change: event, time, sequence };
}

/** Event in a message; undefined for another change. */
export const eventIn = (message: Stored): JobEventRecord | undefined =>
  message.subject.endsWith('.record') ? undefined : eventOf(fromJsonString(JobEventSchema, message.string()));

const isEvent = ({ kind }: Happening) => (EVENT_KINDS as readonly string[]).includes(kind);

const driverAfter = ({ driver }: Job, change: Happening, writer: Writer | undefined) =>
  change.kind === 'attempt' ? writer?.gateway : driver;

const filesAfter = ({ files }: Job, change: Happening): ReadonlySet<string> =>
  change.kind === 'artifact' && !files.has(change.artifact.sha256)
    ? new Set([...files, change.artifact.sha256])
    : files;

const recordEntry = (id: string, change: Change['change'], time: number): Entry => ({
  subject: recordSubject(id),
  body: JSON.stringify({ time, change } satisfies Change),
  headers: headers(),
});

const fileEntry = (sha256: string, id: string): Entry => ({
  subject: fileSubject(sha256, id),
  body: '{}',
  headers: headers(),
});
