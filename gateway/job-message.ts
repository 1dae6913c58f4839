import { create, createRegistry, fromJson, type JsonValue, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { invalidPart } from '../foundation/errors';
import type { JobState } from '../job/job';
import { artifactMessage, artifactOf } from '../proto/artifact';
import { file_google_rpc_error_details } from '../proto/gen/google/rpc/error_details_pb';
import {
  type JobEvent,
  JobEventSchema,
  JobSchema,
  type JobSpec,
  JobSpecSchema,
  JobState as WireState,
} from '../proto/gen/hifi/v1/gateway_pb';
import { progressMessage, progressOf } from '../proto/progress';
import { RpcError, statusMessage } from '../proto/status';
import { epochMessage, epochOf, metricsMessage } from '../proto/training';
import type { JobError, JobEventRecord, JobRecord } from './record';

/** Converts a job to the message that clients receive. */
export function jobMessage(record: JobRecord, spec: JobSpec): MessageInitShape<typeof JobSchema> {
  const { id, requestId, state, progress, attempt, traceparent, metrics, artifacts, error, warnings } = record;
  return {
    jobId: id,
    requestId,
    spec,
    state: stateMessage(state),
    ...(progress && { progress: progressMessage(progress) }),
    attempt,
    traceId: traceparent?.split('-')[1] ?? '',
    ...(metrics && { metrics: metricsMessage(metrics) }),
    artifacts: artifacts.map(artifactMessage),
    ...(error && { error: errorMessage(error) }),
    createTime: timestampFromMs(record.createTime),
    updateTime: timestampFromMs(record.updateTime),
    warnings,
    lastSequence: record.sequence,
    registered: record.registered,
  };
}

/** {@link jobMessage} in proto3's JSON form. */
export const jobJson = (record: JobRecord, spec: JobSpec): JsonValue =>
  toJson(JobSchema, create(JobSchema, jobMessage(record, spec)), {
    registry: createRegistry(file_google_rpc_error_details),
  });

export function eventMessage({ jobId, sequence, time, event }: JobEventRecord): JobEvent {
  const payload = (): MessageInitShape<typeof JobEventSchema>['event'] => {
    switch (event.kind) {
      case 'state':
        return { case: 'state', value: stateMessage(event.state) };
      case 'progress':
        return { case: 'progress', value: progressMessage(event) };
      case 'epoch':
        return { case: 'epoch', value: epochMessage(event.epoch) };
      case 'artifact':
        return { case: 'artifact', value: artifactMessage(event.artifact) };
    }
  };
  return create(JobEventSchema, { jobId, sequence, time: timestampFromMs(time), event: payload() });
}

/**
 * Converts an event's message to its record. @throws RpcError INVALID_ARGUMENT for an unknown kind
 */
export function eventOf({ jobId, sequence, time, event }: JobEvent): JobEventRecord {
  const payload = (): JobEventRecord['event'] => {
    switch (event.case) {
      case 'state':
        return { kind: 'state', state: stateOf(event.value) ?? 'QUEUED' };
      case 'progress':
        return progressOf(event.value);
      case 'epoch':
        return { kind: 'epoch', epoch: epochOf(event.value) };
      case 'artifact':
        return { kind: 'artifact', artifact: artifactOf(event.value) };
      default:
        throw invalidPart('event', 'event is of an unknown kind');
    }
  };
  return { jobId, sequence, time: time ? timestampMs(time) : 0, event: payload() };
}

/** Converts an event to proto3's JSON form, as it is published. The only such conversion. */
export const eventJson = (event: JobEventRecord): JsonValue => toJson(JobEventSchema, eventMessage(event));

export const stateMessage = (state: JobState): WireState => WireState[state];

/** Returns a job's state; undefined for the enum's zero. */
export const stateOf = (state: WireState): JobState | undefined =>
  state === WireState.UNSPECIFIED ? undefined : (WireState[state] as JobState);

export const specJson = (spec: JobSpec): JsonValue => toJson(JobSpecSchema, spec);

export const specMessage = (json: unknown): JobSpec => fromJson(JobSpecSchema, json as JsonValue);

const errorMessage = ({ code, reason, message, violations }: JobError) =>
  statusMessage(new RpcError(code, reason, message, { violations }));
