import * as path from 'node:path';
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { cancelled, failed, invalidInput } from '../foundation/errors';
import type { JobEventRecord } from '../gateway/record';
import type { GrpcClient } from '../infra/grpc/client';
import { JOB_PATH } from '../job/job';
import type { Job } from '../proto/gen/hifi/v1/gateway_pb';
import { oneOf, wholeNumber } from './flag-values';
import type { Flags } from './flags';
import { addGatewayCommand, type GatewayAction } from './gateway-flags';
import { bytesText, metricText, percentText, printJson, table, writeLines } from './output';
import { inSession, type Session, show } from './session';
import { epochLine } from './train';

const STATES = [...JOB_PATH, 'FAILED', 'CANCELLED'].map((name) => name.toLowerCase());

export function define(command: Command): void {
  const known = oneOf('--state', STATES);
  const state = Object.assign((text: string) => known(text.toLowerCase()), { takes: STATES });
  const add = (words: string, what: string, action: GatewayAction) => addGatewayCommand(command, words, what, action);
  add('list', 'list all jobs, the latest first', list)
    .option('--state <state>', `list only jobs in this state: ${STATES.join(', ')}`, state)
    .option('--most <n>', 'largest number of jobs', wholeNumber('--most', 1), 50);
  add('show <job>', "show a job's current state", showJob);
  add('watch <job>', "print a job's events from the first on, up to its end", watch)
    .option('--from <n>', 'first event to print, from 1', wholeNumber('--from', 1), 1)
    .option('--nats', 'read from NATS (NATS_URL) instead of the gateway');
  add('cancel <job>', 'cancel a job', cancel);
  add('delete <job>', 'delete a job that has ended', remove);
}

/** Loads the services' schemas and conversions, which only these commands need. */
const wire = () => ({
  ...(require('../proto/gen/hifi/v1/gateway_pb') as typeof import('../proto/gen/hifi/v1/gateway_pb')),
  ...(require('../gateway/job-message') as typeof import('../gateway/job-message')),
  ...(require('@bufbuild/protobuf') as typeof import('@bufbuild/protobuf')),
  ...(require('@bufbuild/protobuf/wkt') as typeof import('@bufbuild/protobuf/wkt')),
});

async function list(client: GrpcClient, flags: Flags): Promise<void> {
  const { GatewayService, JobState, JobSchema } = wire();
  const name = (flags.state as string | undefined)?.toUpperCase() as keyof typeof JobState | undefined;
  const states = name === undefined ? [] : [JobState[name]];
  const jobs: Job[] = [];
  let pageToken = '';
  do {
    const most = (flags.most as number) - jobs.length;
    const request = { states, pageToken, pageSize: Math.min(most, 1000) };
    const page = await client.unary(GatewayService.method.listJobs, request);
    jobs.push(...page.jobs);
    pageToken = page.nextPageToken;
  } while (pageToken !== '' && jobs.length < (flags.most as number));
  const rows = jobs.map((job) => [job.jobId, stateText(job), createdText(job), modelText(job), outcome(job)]);
  const lines = rows.length === 0 ? ['no jobs'] : table([['job', 'state', 'created', 'model', ''], ...rows]);
  writeLines(lines);
  if (flags.json) await printJson({ jobs: jobs.map((job) => json(JobSchema, job)) });
}

async function showJob(client: GrpcClient, flags: Flags, jobId: string): Promise<void> {
  const { GatewayService } = wire();
  await printJob(flags, (await client.unary(GatewayService.method.getJob, { jobId })).job);
}

async function cancel(client: GrpcClient, flags: Flags, jobId: string): Promise<void> {
  const { GatewayService } = wire();
  const { job: before } = await client.unary(GatewayService.method.getJob, { jobId });
  const { job } = await client.unary(GatewayService.method.cancelJob, { jobId });
  if (before && isOver(before)) process.stderr.write(`${jobId} had already ended\n`);
  await printJob(flags, job);
}

async function remove(client: GrpcClient, flags: Flags, jobId: string): Promise<void> {
  const { GatewayService } = wire();
  await client.unary(GatewayService.method.deleteJob, { jobId });
  process.stderr.write(`${jobId} is deleted\n`);
  if (flags.json) await printJson({ deleted: jobId });
}

async function watch(client: GrpcClient, flags: Flags, jobId: string): Promise<void> {
  const { GatewayService, stateOf } = wire();
  await inSession(async (session) => {
    for await (const event of eventsOf(client, flags, jobId, session)) showJobEvent(session, event);
    // A reader of NATS returns without an error here.
    if (session.signal.aborted) throw cancelled();
  });
  const { job } = await client.unary(GatewayService.method.getJob, { jobId });
  await printJob(flags, job);
  const state = job && stateOf(job.state);
  if (state === 'CANCELLED') throw cancelled();
  if (state === 'FAILED') throw failed(job?.error?.message ?? 'the job has failed');
}

async function* eventsOf(
  client: GrpcClient,
  flags: Flags,
  jobId: string,
  { signal, progress }: Session,
): AsyncGenerator<JobEventRecord> {
  const note = (line: string) => progress.say(`note: ${line}`);
  const from = flags.from as number;
  if (!flags.nats) {
    const { followJob } = require('../gateway/follow-job') as typeof import('../gateway/follow-job');
    return yield* followJob(client, jobId, from, signal, { note });
  }
  const url = process.env.NATS_URL;
  if (!url)
    throw invalidInput('--nats needs the address of the NATS server in NATS_URL, such as nats://127.0.0.1:4222');
  const { followOnNats } = require('../gateway/follow-nats') as typeof import('../gateway/follow-nats');
  const ended = () => jobHasEnded(client, jobId);
  for await (const event of followOnNats(url, jobId, from, signal, { note, ended })) yield wire().eventOf(event);
}

/** Returns true if a job has ended or is deleted; undefined while the gateway is away. */
async function jobHasEnded(client: GrpcClient, jobId: string): Promise<boolean> {
  const { GatewayService } = wire();
  const { RpcError, status } = require('../proto/status') as typeof import('../proto/status');
  try {
    const { job } = await client.unary(GatewayService.method.getJob, { jobId });
    return job !== undefined && isOver(job);
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    if (thrown.code === status.NOT_FOUND) return true;
    if (thrown.code === status.UNAVAILABLE) return false;
    throw thrown;
  }
}

/** Returns true if a job has ended. */
function isOver(job: Job): boolean {
  const { hasEnded } = require('../gateway/record') as typeof import('../gateway/record');
  const state = wire().stateOf(job.state);
  return state !== undefined && hasEnded({ state });
}

/** Shows an event on stderr. */
export function showJobEvent(session: Session, { event }: JobEventRecord): void {
  show(session, event);
  if (event.kind === 'state') session.progress.say(event.state.toLowerCase());
  if (event.kind === 'epoch') session.progress.say(epochLine(event.epoch));
  if (event.kind === 'artifact') {
    session.progress.say(`${event.artifact.name}, ${bytesText(event.artifact.sizeBytes)}`);
  }
}

async function printJob(flags: Flags, job: Job | undefined): Promise<void> {
  if (!job) throw failed('the gateway returned no job');
  const { JobSchema } = wire();
  const rows = [
    ['job', job.jobId],
    ['state', stateText(job)],
    ['created', createdText(job)],
    ['model', job.spec?.model ?? ''],
    ['attempt', String(job.attempt ?? 0)],
    ['trace', job.traceId || 'none'],
    ...(job.error ? [['error', job.error.message]] : []),
    ...(job.metrics ? [['result', outcome(job)]] : []),
    ...(job.registered ? [['registered', job.registered]] : []),
    ...job.warnings.map((warning) => ['warning', warning]),
    ...job.artifacts.map(({ name, sizeBytes, sha256 }) => [name, `${bytesText(Number(sizeBytes))}, SHA-256 ${sha256}`]),
  ];
  writeLines(table(rows));
  if (flags.json) await printJson(json(JobSchema, job));
}

/** Returns the model's name, or a folder's last part: a line has little room. */
const modelText = ({ spec }: Job) => (spec?.model.startsWith('/') ? path.basename(spec.model) : (spec?.model ?? ''));

const stateText = ({ state }: Job) => wire().JobState[state].toLowerCase();

/** Time of creation in UTC, to the second. */
export function createdText({ createTime }: Pick<Job, 'createTime'>): string {
  return createTime
    ? wire()
        .timestampDate(createTime)
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
    : '';
}

/** Describes a job's result or its progress in a few words. */
function outcome({ metrics, error, progress }: Job): string {
  if (error) return error.message;
  if (metrics?.best) return `${metrics.metric} ${metricText(metrics.best.value ?? 0)}`;
  if (!progress?.total) return '';
  return `${progress.stage} ${percentText((progress.done ?? 0) / progress.total)}`;
}

function json<D extends DescMessage>(schema: D, message: Message) {
  const { createRegistry, toJson, file_google_rpc_error_details } = {
    ...wire(),
    ...(require('../proto/gen/google/rpc/error_details_pb') as typeof import('../proto/gen/google/rpc/error_details_pb')),
  };
  // biome-ignore lint/suspicious/noExplicitAny: the message is of the schema
  return toJson(schema, message as any, { registry: createRegistry(file_google_rpc_error_details) });
}
