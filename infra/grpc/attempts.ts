import type { Metadata } from '@grpc/grpc-js';
import { RpcError, status } from '../../proto/status';
import type { Call, CallInterceptor } from './handlers';

/** Attempt at a job for which a call is made. */
export interface CallAttempt {
  job: string;
  /** Number of the attempt, from 1. */
  number: number;
}

const JOB = 'hifi-job';
const ATTEMPT = 'hifi-attempt';
/** Number of jobs whose latest attempt a service remembers. */
const MOST_JOBS = 10_000;

/** Writes an attempt into a call's metadata. */
export function writeAttempt(metadata: Metadata, { job, number }: CallAttempt): void {
  metadata.set(JOB, job);
  metadata.set(ATTEMPT, String(number));
}

/** Attempt that a call names; undefined for a call that belongs to no job. */
export function attemptOf({ metadata }: Call): CallAttempt | undefined {
  const [job, number] = [JOB, ATTEMPT].map((key) => metadata.get(key)[0]);
  return typeof job === 'string' && /^\d+$/.test(String(number)) ? { job, number: Number(number) } : undefined;
}

/**
 * Interceptor that lets only the latest attempt at a job work: its first call ends the calls of
 * earlier attempts, and later calls of those are refused with ABORTED. So a gateway that was paused
 * neither keeps a service busy nor disturbs its successor.
 */
export function latestAttempts(): CallInterceptor {
  /** Job → its latest attempt with its open calls; the least recently begun first. */
  const jobs = new Map<string, { number: number; open: Set<Call> }>();
  return async (call, work) => {
    const attempt = attemptOf(call);
    if (!attempt) return work();
    const { job, number } = attempt;
    let latest = jobs.get(job);
    if (latest && latest.number > number) throw superseded(job, latest.number);
    if (!latest || latest.number < number) {
      for (const earlier of latest?.open ?? []) earlier.end();
      jobs.delete(job);
      jobs.set(job, (latest = { number, open: new Set() }));
      if (jobs.size > MOST_JOBS) jobs.delete(jobs.keys().next().value as string);
    }
    const { open } = latest;
    open.add(call);
    try {
      await work();
    } finally {
      open.delete(call);
    }
  };
}

const superseded = (job: string, number: number) =>
  new RpcError(status.ABORTED, 'ATTEMPT_SUPERSEDED', `attempt ${number} at job ${job} has begun: this one is over`);
