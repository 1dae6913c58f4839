import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { followJob } from '../../gateway/follow-job';
import { eventOf } from '../../gateway/job-message';
import type { JobEventRecord } from '../../gateway/record';
import type { GrpcClient } from '../../infra/grpc/client';
import { JOB_PATH, type JobState } from '../../job/job';
import { SafetensorsFile } from '../../model/safetensors';
import type { JobSpecSchema } from '../../proto/gen/hifi/v1/gateway_pb';
import { GatewayService, type Job, JobState as WireState } from '../../proto/gen/hifi/v1/gateway_pb';
import { readRunRecord } from '../../trainer/run-record';
import { FIXTURES } from '../support/deltas';
import { descendantsOf, type Name, signalTo, type Trio } from '../support/services';
import { until } from '../support/until';

export type Spec = MessageInitShape<typeof JobSpecSchema>;

const rows = (name: string) => ({
  source: { case: 'path' as const, value: path.join(FIXTURES, 'tiny-data', name) },
  textColumns: ['sentence'],
  labelColumn: 'label',
});

/** Job of a few seconds on a small random model. */
export const TINY: Spec = {
  model: path.join(FIXTURES, 'tiny-bert'),
  train: rows('train.tsv'),
  dev: rows('dev.tsv'),
  analysis: { samples: 40, maxLength: 48 },
  selection: { k: 2 },
  training: { epochs: 12, batchSize: 8, lr: 0.01, maxLength: 48 },
  exports: ['checkpoint'],
};

/** The same job with few epochs and without an export. */
export const SHORT: Spec = { ...TINY, training: { ...TINY.training, epochs: 3 }, exports: [] };

/** The same job without an export, with epochs of 32 steps: a kill hits one in its middle. */
export const LONG_EPOCHS: Spec = { ...TINY, training: { ...TINY.training, epochs: 40, batchSize: 2 }, exports: [] };

/** The same job with a training that is long enough to be struck. */
export const LONG: Spec = { ...TINY, training: { ...TINY.training, epochs: 60 } };

/** Job whose first epoch has many steps: a checkpoint within it is not that of the epoch's end. */
export const MANY_STEPS: Spec = {
  ...TINY,
  train: inlineRows(3000),
  training: { ...TINY.training, epochs: 1, batchSize: 3 },
};

/** Creates inline rows. */
export function inlineRows(count: number) {
  const texts = Array.from(
    { length: count },
    (_, i) => `the result is ${i % 2 ? 'lovely' : 'bitter'} and number ${i} is ${i * 7}`,
  );
  const labels = texts.map((_, i) => String(i % 2));
  return { source: { case: 'inline' as const, value: { texts, labels } } };
}

/**
 * Moments at which a job is struck: the event of a state, or the training once it has a checkpoint.
 */
export const MOMENTS = ['QUEUED', 'ANALYZING', 'SELECTING', 'TRAINING', 'epoch', 'EVALUATING', 'EXPORTING'] as const;
export type Moment = (typeof MOMENTS)[number];

/** Killed processes: a service, or the engine that works for the job at that time. */
export const VICTIMS = ['gateway', 'analyzer', 'trainer', 'engine'] as const;
export type Victim = (typeof VICTIMS)[number];

/** Kill, with the trainer's files of the job at that time. */
export interface Strike {
  victim: Victim;
  moment: Moment;
  /** False if there was no engine to kill. */
  hit: boolean;
  /** Number of steps at the checkpoint; null if there is none. */
  checkpoint: number | null;
  /** True if the training had its result. */
  trained: boolean;
}

export interface Outcome {
  job: Job;
  /** Events as a reader received them that resumes after each restart of the gateway. */
  live: JobEventRecord[];
  /** All events, read after the job's end. */
  events: JobEventRecord[];
  strikes: Strike[];
  /** SHA-256 of the stored delta/delta.safetensors; undefined if it is missing. */
  delta: string | undefined;
}

export async function createJob(gateway: GrpcClient, spec: Spec, requestId?: string): Promise<string> {
  const { job } = await gateway.unary(GatewayService.method.createJob, { requestId, spec });
  return job!.jobId;
}

export async function getJob(gateway: GrpcClient, jobId: string): Promise<Job> {
  return (await gateway.unary(GatewayService.method.getJob, { jobId })).job!;
}

/** Reads all events of a job in one call, up to its end. */
export async function eventsOf(gateway: GrpcClient, jobId: string): Promise<JobEventRecord[]> {
  const events: JobEventRecord[] = [];
  for await (const { event } of gateway.stream(GatewayService.method.watchJob, { jobId })) events.push(eventOf(event!));
  return events;
}

/** Follows a job to its end, and calls `see` with each new event. */
export async function follow(
  gateway: GrpcClient,
  jobId: string,
  see: (event: JobEventRecord) => void | Promise<void> = () => {},
): Promise<JobEventRecord[]> {
  const events: JobEventRecord[] = [];
  for await (const event of followJob(gateway, jobId, 1, new AbortController().signal)) {
    events.push(event);
    await see(event);
  }
  return events;
}

/** Runs a job, strikes it once at each moment, and restarts what was killed. */
export async function struckJob(trio: Trio, spec: Spec, victim: Victim, moments: readonly Moment[]): Promise<Outcome> {
  const { gateway } = trio.clients;
  const jobId = await createJob(gateway, spec);
  const strikes: Strike[] = [];
  const live = await follow(gateway, jobId, async (event) => {
    const moment = moments.find((each) => each === momentOf(event) && strikes.every((past) => past.moment !== each));
    if (moment) strikes.push(await strike(trio, jobId, victim, moment));
  });
  const job = await getJob(gateway, jobId);
  return { job, live, events: await eventsOf(gateway, jobId), strikes, delta: deltaOf(trio.stateDir, job) };
}

export function momentOf({ event }: JobEventRecord): string | undefined {
  if (event.kind === 'state') return event.state;
  return event.kind === 'epoch' && event.epoch.epoch > 1 ? 'epoch' : undefined;
}

/** Longest wait for an engine, in milliseconds. */
const ENGINE_MS = 2000;

async function strike(trio: Trio, jobId: string, victim: Victim, moment: Moment): Promise<Strike> {
  if (victim !== 'engine') {
    await trio[victim].kill();
    const found = { victim, moment, hit: true, ...storedOf(trio.stateDir, jobId) };
    await trio[victim].restart();
    return found;
  }
  const owner: Name = ['QUEUED', 'ANALYZING', 'SELECTING'].includes(moment) ? 'analyzer' : 'trainer';
  const engines = await until(
    () => descendantsOf(trio[owner].pid),
    (pids) => pids.length > 0,
    'an engine',
    ENGINE_MS,
  ).catch(() => []);
  const hit = engines.map((pid) => signalTo(pid, 'SIGKILL')).some(Boolean);
  return { victim, moment, hit, ...storedOf(trio.stateDir, jobId) };
}

/** Reads the trainer's files of a job's training. */
export function storedOf(stateDir: string, jobId: string): Pick<Strike, 'checkpoint' | 'trained'> {
  const folder = path.join(stateDir, 'runs', jobId);
  const file = path.join(folder, 'state', 'training.safetensors');
  const trained = readRunRecord(folder)?.outcome !== undefined;
  if (!fs.existsSync(file)) return { checkpoint: null, trained };
  const stored = SafetensorsFile.open(file);
  try {
    return { checkpoint: JSON.parse(stored.metadata.progress).step, trained };
  } finally {
    stored.close();
  }
}

/** Returns the SHA-256 of the stored delta's bytes. */
export function deltaOf(stateDir: string, { artifacts }: Job): string | undefined {
  const named = artifacts.filter(({ name }) => name === 'delta/delta.safetensors');
  if (named.length !== 1) return undefined;
  const file = path.join(stateDir, 'artifacts', 'sha256', named[0].sha256);
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

/**
 * Lists all faults of a job's outcome. It must have SUCCEEDED with the one delta. Its events must
 * be 1 … n, each once, with every state and epoch once. No step before the last checkpoint may have
 * been trained again.
 *
 * @param delta the undisturbed job's delta
 */
export function complaints(
  { job, live, events, strikes, delta }: Outcome,
  epochs: number,
  expected?: string,
): string[] {
  const found: string[] = [];
  const check = (right: boolean, what: string) => void (right || found.push(what));
  const ofKind = (kind: JobEventRecord['event']['kind']) =>
    events.map(({ event }) => event).filter((e) => e.kind === kind);
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

  check(job.state === WireState.SUCCEEDED, `it is ${WireState[job.state]}: ${job.error?.message}`);
  check(delta !== undefined && (expected === undefined || delta === expected), `the delta is ${delta}`);
  const numbers = events.map(({ sequence }) => sequence);
  check(
    numbers.every((sequence, i) => sequence === i + 1),
    `events are ${numbers}`,
  );
  check(same(live, events), 'a reader of the live events has seen others');
  check(job.lastSequence === events.length, `last_sequence is ${job.lastSequence} of ${events.length}`);
  const states = ofKind('state').map((event) => (event as { state: JobState }).state);
  check(same(states, JOB_PATH), `states are ${states}`);
  const evaluated = ofKind('epoch').map((event) => (event as { epoch: { epoch: number } }).epoch.epoch);
  check(evaluated.length === epochs && evaluated.every((epoch, i) => epoch === i + 1), `epochs are ${evaluated}`);
  const names = ofKind('artifact').map((event) => (event as { artifact: { name: string } }).artifact.name);
  const again = names.filter((name, i) => names.indexOf(name) !== i && !name.startsWith('report'));
  check(again.length === 0, `reported again: ${again}`);
  const resumed = job.metrics?.resumedFromStep ?? 0;
  // The analyzer's end does not affect a training.
  const interrupted = strikes.filter(({ victim, trained }) => victim !== 'analyzer' && !trained);
  const reached = Math.max(0, ...interrupted.map(({ checkpoint }) => checkpoint ?? 0));
  check(resumed >= reached, `went on from step ${resumed}, the checkpoint was of step ${reached}`);
  return found;
}
