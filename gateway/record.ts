import type { EpochMetrics, TrainMetrics } from '../delta/training-options';
import type { StageProgress } from '../foundation/progress';
import type { Artifact } from '../foundation/stored-file';
import { JOB_PATH, type JobState } from '../job/job';

/** Why a job failed, as a client is told. */
export interface JobError {
  /** A gRPC status. */
  code: number;
  /** UPPER_SNAKE. */
  reason: string;
  message: string;
  violations?: { field: string; description: string }[];
}

/** The span of a state: a gateway that was restarted tells of one that was cut, and the next attempt links to it. */
export interface Phase {
  state: JobState;
  /** 16 hexadecimal digits. */
  spanId: string;
  /** Milliseconds since the epoch. */
  from: number;
  /** Whether the collector knows of it. */
  told: boolean;
}

/**
 * Changing part of a job, as the store keeps it: plain data. With the spec, it suffices to resume
 * the job.
 */
export interface JobRecord {
  id: string;
  requestId: string;
  state: JobState;
  progress?: StageProgress;
  /** How often it was taken up. */
  attempt: number;
  /** W3C traceparent of the CreateJob call's span, the root of the job's trace. */
  traceparent?: string;
  /** The phase at work, for the trace. */
  phase?: Phase;
  epochs: number;
  metrics?: TrainMetrics;
  artifacts: Artifact[];
  warnings: string[];
  error?: JobError;
  cancelRequested?: true;
  /** Milliseconds since the epoch. */
  createTime: number;
  updateTime: number;
  /** Of the last event; 0 before the first. */
  sequence: number;
  /** When the last progress event was, in milliseconds since the epoch. */
  progressTime: number;
}

/** Something that a client is told of a job. */
export interface JobEventRecord {
  jobId: string;
  /** From 1, without gaps. */
  sequence: number;
  /** Milliseconds since the epoch. */
  time: number;
  event:
    | { kind: 'state'; state: JobState }
    | StageProgress
    | { kind: 'epoch'; epoch: EpochMetrics }
    | { kind: 'artifact'; artifact: Artifact };
}

/** Something that happened to a job; not all of it is an event. */
export type Happening =
  | JobEventRecord['event']
  | { kind: 'warning'; message: string }
  | { kind: 'checkpoint'; step: number }
  | { kind: 'metrics'; metrics: TrainMetrics }
  | { kind: 'failed'; error: JobError }
  | { kind: 'cancelling' }
  | { kind: 'attempt' }
  | { kind: 'phase'; phase: Phase };

const ENDS: readonly JobState[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

export const hasEnded = ({ state }: Pick<JobRecord, 'state'>) => ENDS.includes(state);

/** Least time between two progress events of a job, in milliseconds: at most four a second. */
const PROGRESS_INTERVAL = 250;

/**
 * The job after something happened, and what is told of it. States go forwards alone: an attempt that begins anew passes through
 * those that the job has behind it without a word. What was told before is not told again.
 */
export function after(
  before: JobRecord,
  happenings: readonly Happening[],
  now: number,
): { record: JobRecord; events: JobEventRecord[] } {
  const record: JobRecord = { ...before };
  const events: JobEventRecord[] = [];
  for (const happening of happenings) {
    const told = take(record, happening, now);
    if (told) events.push({ jobId: record.id, sequence: ++record.sequence, time: now, event: told });
  }
  if (happenings.length > 0 && !hasEnded(before)) record.updateTime = Math.max(now, before.updateTime);
  return { record, events };
}

/** Changes `record`; gives back what a client is told. A job that has ended stays as it is. */
function take(record: JobRecord, happening: Happening, now: number): JobEventRecord['event'] | undefined {
  if (hasEnded(record)) return undefined;
  switch (happening.kind) {
    case 'state':
      if (!follows(record.state, happening.state) && record.sequence > 0) return undefined;
      record.state = happening.state;
      delete record.progress;
      if (hasEnded(record)) delete record.phase;
      return happening;
    case 'failed':
      record.error = happening.error;
      return take(record, { kind: 'state', state: 'FAILED' }, now);
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

/** Whether a job in one state may enter another. */
function follows(from: JobState, to: JobState): boolean {
  if (to === 'FAILED' || to === 'CANCELLED') return true;
  const place = (state: JobState) => (JOB_PATH as readonly JobState[]).indexOf(state);
  return place(to) > place(from);
}
