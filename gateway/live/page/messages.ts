/*
 * Messages of the contract in proto3's JSON form, as far as the live page reads them. A field with
 * its default value may be absent.
 */

/** A double: JSON has no numbers that are not finite. */
export type Double = number | 'NaN' | 'Infinity' | '-Infinity';

/** `hifi.v1.Job`. */
export interface Job {
  jobId: string;
  /** Such as `JOB_STATE_QUEUED`. */
  state?: string;
  spec?: { model?: string };
  attempt?: number;
  traceId?: string;
  /** RFC 3339. */
  createTime: string;
  /** Number of the job's last event. */
  lastSequence?: number;
  progress?: Progress;
  metrics?: { metric?: string; best?: { epoch?: number; value?: Double } };
  artifacts?: { name: string }[];
  /** Registered version of its delta, `NAME:VERSION`. */
  registered?: string;
  warnings?: string[];
  error?: { message?: string };
}

/** `hifi.v1.DeltaVersion`. */
export interface DeltaVersion {
  name: string;
  version: number;
  aliases?: string[];
  base?: { name?: string; sha256?: string };
  metric?: string;
  metricValue?: Double;
  /** RFC 3339. */
  createTime: string;
}

/** `hifi.v1.Progress`. */
export interface Progress {
  stage?: string;
  done?: number;
  total?: number;
  unit?: string;
  remainingSeconds?: number;
  /** Loss of a training's last step. */
  loss?: Double;
}

/** `hifi.v1.Epoch`. */
export interface Epoch {
  /** From 1. */
  epoch?: number;
  trainLoss?: Double;
  /** Metrics on the dev rows, by name. */
  dev?: Record<string, Double>;
}

/** `hifi.v1.JobEvent`. */
export interface JobEvent {
  progress?: Progress;
  epoch?: Epoch;
}
