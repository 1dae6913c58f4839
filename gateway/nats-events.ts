import { headers, type MsgHdrs, type MsgHdrsImpl } from '@nats-io/transport-node';
import { eventJson } from './job-message';
import type { JobEventRecord } from './record';
import type { Unpublished } from './store';

/** The stream that keeps the events, where the server has JetStream. */
export const EVENT_STREAM = 'HIFI_EVENTS';

const JOBS = 'hifi.v1.jobs';

/** Of all jobs' events. */
export const ALL_SUBJECTS = `${JOBS}.>`;

/** Of a job's events, each of which has `KIND` in place of the star: `state`, `progress`, `epoch` or `artifact`. */
export const subjectsOf = (jobId: string) => `${JOBS}.${jobId}.*`;

/** Subject of a job's events of one kind. */
export const subjectOf = (jobId: string, kind: EventKind) => `${JOBS}.${jobId}.${kind}`;

/** Kinds of events; the last part of a subject. */
export const EVENT_KINDS = ['state', 'progress', 'epoch', 'artifact'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** By which a stream, and a reader, knows an event that it has. */
export const EVENT_ID = 'Nats-Msg-Id';

/** @returns the sequence number of the event whose id this is */
export const sequenceOf = (id: string) => Number(id.slice(id.lastIndexOf(':') + 1));

/** An event as it is published. */
export interface NatsMessage {
  subject: string;
  /** A JobEvent in proto3's JSON form. */
  body: string;
  headers: MsgHdrs;
}

/** CloudEvents 1.0 in binary mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md */
export function natsMessage({ event, traceparent }: Pick<Unpublished, 'event' | 'traceparent'>): NatsMessage {
  const { jobId, event: told } = event;
  return {
    subject: subjectOf(jobId, told.kind),
    body: JSON.stringify(eventJson(event)),
    headers: eventHeaders(event, traceparent),
  };
}

/** Size of a message as the server counts it: the body with the headers, in bytes. */
export const sizeOf = ({ body, headers }: NatsMessage): number =>
  Buffer.byteLength(body) + (headers as MsgHdrsImpl).encode().length;

function eventHeaders({ jobId, sequence, time, event }: JobEventRecord, traceparent: string | undefined): MsgHdrs {
  const id = `${jobId}:${sequence}`;
  const told = headers();
  told.set(EVENT_ID, id);
  told.set('ce-specversion', '1.0');
  told.set('ce-id', id);
  told.set('ce-source', '/hifi/gateway');
  told.set('ce-type', `hifi.v1.job.${event.kind}`);
  told.set('ce-time', new Date(time).toISOString());
  told.set('ce-subject', jobId);
  told.set('content-type', 'application/json');
  if (traceparent !== undefined) told.set('traceparent', traceparent);
  return told;
}
