import { headers, type MsgHdrs, type MsgHdrsImpl } from '@nats-io/transport-node';
import { eventJson } from './job-message';
import type { Unpublished } from './lmdb-store';
import type { JobEventRecord } from './record';

/** Stream that stores the events, if the server has JetStream. */
export const EVENT_STREAM = 'HIFI_EVENTS';

const JOBS = 'hifi.v1.jobs';

/** Subjects of all jobs' events. */
export const ALL_SUBJECTS = `${JOBS}.>`;

/**
 * Subjects of a job's events; the star stands for the kind: `state`, `progress`, `epoch`,
 * `artifact`.
 */
export const subjectsOf = (jobId: string) => `${JOBS}.${jobId}.*`;

/** Subject of a job's events of one kind. */
export const subjectOf = (jobId: string, kind: EventKind) => `${JOBS}.${jobId}.${kind}`;

/** Kinds of events; the last part of a subject. */
export const EVENT_KINDS = ['state', 'progress', 'epoch', 'artifact'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Header by which a stream or a reader recognises a repeated event. */
export const EVENT_ID = 'Nats-Msg-Id';

/** Returns the sequence number in an event's id. */
export const sequenceOf = (id: string) => Number(id.slice(id.lastIndexOf(':') + 1));

/** Published form of an event. */
export interface NatsMessage {
  subject: string;
  /** JobEvent in proto3's JSON form. */
  body: string;
  headers: MsgHdrs;
}

/**
 * Converts an event to a message: CloudEvents 1.0 in binary mode.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md
 */
export function natsMessage({ event, traceparent }: Pick<Unpublished, 'event' | 'traceparent'>): NatsMessage {
  const { jobId, event: payload } = event;
  return {
    subject: subjectOf(jobId, payload.kind),
    body: JSON.stringify(eventJson(event)),
    headers: eventHeaders(event, traceparent),
  };
}

/** Size of a message as the server counts it: the body with the headers, in bytes. */
export const sizeOf = ({ body, headers }: NatsMessage): number =>
  Buffer.byteLength(body) + (headers as MsgHdrsImpl).encode().length;

function eventHeaders({ jobId, sequence, time, event }: JobEventRecord, traceparent: string | undefined): MsgHdrs {
  const id = `${jobId}:${sequence}`;
  const fields = headers();
  fields.set(EVENT_ID, id);
  fields.set('ce-specversion', '1.0');
  fields.set('ce-id', id);
  fields.set('ce-source', '/hifi/gateway');
  fields.set('ce-type', `hifi.v1.job.${event.kind}`);
  fields.set('ce-time', new Date(time).toISOString());
  fields.set('ce-subject', jobId);
  fields.set('content-type', 'application/json');
  if (traceparent !== undefined) fields.set('traceparent', traceparent);
  return fields;
}
