import type { EpochMetrics, TrainMetrics } from '../delta/training-options';
import type { StageProgress } from '../foundation/progress';
import type { Artifact } from '../foundation/stored-file';
import { JOB_PATH, type JobState } from '../job/job';

/** Error of a failed job, as clients receive it. */
export interface JobError {
  /** gRPC status code. */
  code: number;
  /** Reason in UPPER_SNAKE. */
  reason: string;
  message: string;
  violations?: { field: string; description: string }[];
}

/**
 * Span of a state. A restarted gateway reports an interrupted one, and the next attempt links to
 * it.
 */
export interface Phase {
  state: JobState;
  /** Span id, 16 hexadecimal digits. */
  spanId: string;
  /** Start, in milliseconds since the epoch. */
  from: number;
  /** True once the collector has the span. */
  told: boolean;
}

/** Stored part of a job that changes: plain data. With the spec, it suffices to resume the job. */
export interface JobRecord {
  id: string;
  requestId: string;
  state: JobState;
  progress?: StageProgress;
  /** Number of attempts. */
  attempt: number;
  /** W3C traceparent of the CreateJob call's span, the root of the job's trace. */
  traceparent?: string;
  /** Span of the current state. */
  phase?: Phase;
  epochs: number;
  metrics?: TrainMetrics;
  artifacts: Artifact[];
  /** Registered version of the delta, `NAME:VERSION`. */
  registered?: string;
  warnings: string[];
  error?: JobError;
  cancelRequested?: true;
  /** Creation and last change, in milliseconds since the epoch. */
  createTime: number;
  updateTime: number;
  /** Sequence number of the last event; 0 before the first. */
  sequence: number;
  /** Time of the last progress event, in milliseconds since the epoch. */
  progressTime: number;
}

/** Event of a job, as clients receive it. */
export interface JobEventRecord {
  jobId: string;
  /** Sequence number within the job, from 1, without gaps. */
  sequence: number;
  /** Time, in milliseconds since the epoch. */
  time: number;
  event:
    | { kind: 'state'; state: JobState }
    | StageProgress
    | { kind: 'epoch'; epoch: EpochMetrics }
    | { kind: 'artifact'; artifact: Artifact };
}

/** Change of a job; not every change is an event. */
export type Happening =
  | JobEventRecord['event']
  | { kind: 'warning'; message: string }
  | { kind: 'checkpoint'; step: number }
  | { kind: 'metrics'; metrics: TrainMetrics }
  | { kind: 'registered'; reference: string }
  | { kind: 'error'; error: JobError }
  | { kind: 'cancelling' }
  | { kind: 'attempt' }
  | { kind: 'phase'; phase: Phase };

const ENDS: readonly JobState[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

export const hasEnded = ({ state }: Pick<JobRecord, 'state'>) => ENDS.includes(state);

/** Shortest time between two progress events of a job, in milliseconds: at most four per second. */
const PROGRESS_INTERVAL = 250;

/**
 * Computes a job's record after some changes, and their events. States only go forward: a new
 * attempt passes silently through the states that the job has already left. No event is reported
 * twice.
 */
export function after(
  before: JobRecord,
  happenings: readonly Happening[],
  now: number,
): { record: JobRecord; events: JobEventRecord[] } {
  const record: JobRecord = { ...before };
  const events: JobEventRecord[] = [];
  for (const happening of happenings) {
    const event = take(record, happening, now);
    if (event) events.push({ jobId: record.id, sequence: ++record.sequence, time: now, event });
  }
  if (happenings.length > 0 && !hasEnded(before)) record.updateTime = Math.max(now, before.updateTime);
  return { record, events };
}

/**
 * Applies a change to `record` and returns its event, if any. A job that has ended does not change.
 */
function take(record: JobRecord, happening: Happening, now: number): JobEventRecord['event'] | undefined {
  if (hasEnded(record)) return undefined;
  switch (happening.kind) {
    case 'state':
      if (!follows(record.state, happening.state) && record.sequence > 0) return undefined;
      record.state = happening.state;
      delete record.progress;
      if (hasEnded(record)) delete record.phase;
      return happening;
    case 'progress':
      record.progress = happening;
      if (isWithin(PROGRESS_INTERVAL, record.progressTime, now)) return undefined;
      record.progressTime = now;
      return happening;
    case 'epoch':
      if (happening.epoch.epoch <= record.epochs) return undefined;
      record.epochs = happening.epoch.epoch;
      return happening;
    case 'artifact': {
      const { artifact } = happening;
      if (record.artifacts.some(({ name, sha256 }) => name === artifact.name && sha256 === artifact.sha256)) {
        return undefined;
      }
      const others = record.artifacts.filter(({ name }) => name !== artifact.name);
      record.artifacts = [...others, artifact].sort((a, b) => (a.name < b.name ? -1 : 1));
      return happening;
    }
    case 'warning':
      if (!record.warnings.includes(happening.message)) record.warnings = [...record.warnings, happening.message];
      return undefined;
    case 'checkpoint':
      return undefined;
    case 'metrics':
      record.metrics = happening.metrics;
      return undefined;
    case 'registered':
      record.registered = happening.reference;
      return undefined;
    case 'error':
      record.error = happening.error;
      return undefined;
    case 'cancelling':
      record.cancelRequested = true;
      return undefined;
    case 'attempt':
      record.attempt++;
      return undefined;
    case 'phase':
      record.phase = happening.phase;
      return undefined;
  }
}

/**
 * Returns true if less than an interval has passed since a time. A time in the future means that
 * the clock was set back, and is ignored.
 */
const isWithin = (interval: number, since: number, now: number) => now >= since && now - since < interval;

/** Returns true if a job may go from one state to another. */
function follows(from: JobState, to: JobState): boolean {
  if (to === 'FAILED' || to === 'CANCELLED') return true;
  const position = (state: JobState) => (JOB_PATH as readonly JobState[]).indexOf(state);
  return position(to) > position(from);
}
