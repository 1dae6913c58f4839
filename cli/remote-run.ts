import * as fs from 'node:fs';
import * as path from 'node:path';
import { downloadBytes, uploadFile } from '../artifacts/transfer';
import type { DataSource } from '../data/dataset';
import { cancelled, failed, HifiError, invalidInput } from '../errors';
import { followJob } from '../gateway/follow';
import type { NamedArtifact } from '../gateway/record';
import type { GrpcClient } from '../infra/grpc/client';
import { readHeads, readMask, readMetrics, readScores, writeJson } from '../job/files';
import type { JobResult, JobSpec } from '../job/job';
import { sha256OfFile } from '../model/hash';
import { ArtifactService } from '../proto/gen/hifi/v1/artifact_pb';
import { GatewayService, JobState } from '../proto/gen/hifi/v1/gateway_pb';
import { artifactOf } from '../wire/job';
import { analysisMessage, selectionMessage, trainingMessage } from '../wire/options';
import { gatewayError } from './gateway-flags';
import { tellEvent } from './jobs';
import type { Session } from './session';

/** What `--out/state/` knows of a job that a gateway runs. */
interface RemoteJob {
  gateway: string;
  jobId: string;
}

/** Ends of a job that leave nothing to fetch. */
const FRUITLESS: Partial<Record<JobState, string>> = {
  [JobState.CANCELLED]: 'was cancelled',
  [JobState.FAILED]: 'has failed',
};

const recordFile = (out: string) => path.join(out, 'state', 'gateway.json');

/**
 * Runs a job at a gateway: its rows are uploaded, its events followed, its results downloaded into `out`. A command that was cut
 * goes on with the same job, unless that was cancelled or has failed: then another is started. Ctrl-C cancels it.
 *
 * @throws HifiError INVALID_INPUT where the gateway refuses the job; FAILED where the job fails; CANCELLED
 */
export async function runAtGateway(
  gateway: GrpcClient,
  spec: JobSpec,
  out: string,
  resume: boolean,
  session: Session,
): Promise<{ result: JobResult; jobId: string; traceId: string }> {
  const { signal } = session;
  try {
    const earlier = resume ? await earlierJob(gateway, out, session) : undefined;
    const jobId = earlier ?? (await createJob(gateway, spec, out, session));
    const cancelJob = () => gateway.unary(GatewayService.method.cancelJob, { jobId }).catch(() => {});
    try {
      for await (const event of followJob(gateway, jobId, 1, signal, (line) => session.progress.say(`note: ${line}`))) {
        tellEvent(session, event);
      }
    } catch (error) {
      if (signal.aborted) await cancelJob();
      throw error;
    }
    const { job } = await gateway.unary(GatewayService.method.getJob, { jobId }, { signal });
    if (job?.error) throw new HifiError('FAILED', `job ${jobId} has failed: ${job.error.message}`);
    if (job?.state !== JobState.SUCCEEDED) throw cancelled();
    for (const warning of job.warnings) session.progress.say(`warning: ${warning}`);
    await download(gateway, jobId, out, session);
    return { result: resultsIn(out), jobId, traceId: job.traceId };
  } catch (thrown) {
    if (signal.aborted) throw cancelled();
    throw gatewayError(thrown);
  }
}

/** The job that an earlier command has started, where it may still come to something. */
async function earlierJob(gateway: GrpcClient, out: string, session: Session): Promise<string | undefined> {
  const jobId = knownJob(out, gateway);
  if (jobId === undefined) return undefined;
  const { job } = await gateway.unary(GatewayService.method.getJob, { jobId }, { signal: session.signal });
  const ended = job && FRUITLESS[job.state];
  if (ended === undefined) return jobId;
  session.progress.say(`note: job ${jobId} ${ended}; another one is started`);
  return undefined;
}

function knownJob(out: string, { address }: GrpcClient): string | undefined {
  const file = recordFile(out);
  if (!fs.existsSync(file)) return undefined;
  const known = JSON.parse(fs.readFileSync(file, 'utf8')) as RemoteJob;
  if (known.gateway === address) return known.jobId;
  throw invalidInput(`${file} is of the gateway ${known.gateway}, not of ${address}: give that one, or another --out`);
}

async function createJob(gateway: GrpcClient, spec: JobSpec, out: string, session: Session): Promise<string> {
  const { model, analysis, selection, training, exports, onnxDtypes } = spec;
  const train = await uploaded(gateway, spec.train, session);
  const dev = spec.dev && (await uploaded(gateway, spec.dev, session));
  const options = {
    analysis: analysisMessage(analysis),
    selection: selectionMessage(selection),
    training: trainingMessage(training),
  };
  const given = { model, train, ...(dev && { dev }), ...options, exports: [...exports], onnxDtypes: [...onnxDtypes] };
  const { job } = await gateway.unary(GatewayService.method.createJob, { spec: given }, { signal: session.signal });
  if (!job) throw failed('the gateway told of no job');
  writeJson(recordFile(out), { gateway: gateway.address, jobId: job.jobId } satisfies RemoteJob);
  session.progress.say(`job ${job.jobId}${job.traceId ? `, trace ${job.traceId}` : ''}`);
  return job.jobId;
}

/** Rows as the gateway knows them, once their file is there. */
async function uploaded(gateway: GrpcClient, rows: DataSource, { signal, progress }: Session) {
  const { path: name, file = name, format, task, textColumns, labelColumn, regression } = rows;
  if (!fs.existsSync(file)) throw invalidInput(`${name}: no such file`);
  const stored = { sha256: await sha256OfFile(file), sizeBytes: fs.statSync(file).size };
  await uploadFile(gateway, file, stored, signal, (done, total) =>
    progress.at({ stage: 'upload', done, total, unit: 'bytes' }),
  );
  // The extension tells the format: a format that was said becomes one.
  const base = path.basename(name);
  return {
    source: { case: 'artifact' as const, value: stored.sha256 },
    name: format ? `${base}.${format}` : base,
    task,
    textColumns,
    labelColumn,
    regression,
  };
}

/** All files of a job, each whole or not at all and checked by its hash; those that are there already are left. */
async function download(gateway: GrpcClient, jobId: string, out: string, session: Session): Promise<void> {
  const all: NamedArtifact[] = [];
  let pageToken = '';
  do {
    const page = await gateway.unary(ArtifactService.method.listArtifacts, { jobId, pageToken, pageSize: 1000 });
    all.push(...page.artifacts.map(artifactOf));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const total = all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let done = 0;
  for (const { name, sha256, sizeBytes } of all) {
    const file = path.resolve(out, name);
    if (!file.startsWith(`${path.resolve(out)}${path.sep}`)) throw failed(`the gateway names a result ${name}`);
    if (!(fs.existsSync(file) && (await sha256OfFile(file)) === sha256)) {
      await fetchFile(gateway, sha256, file, session.signal);
    }
    done += sizeBytes;
    session.progress.at({ stage: 'download', done, total: Math.max(1, total), unit: 'bytes' });
  }
}

async function fetchFile(gateway: GrpcClient, sha256: string, file: string, signal: AbortSignal): Promise<void> {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const beside = `${file}.${sha256.slice(0, 12)}.tmp`;
  try {
    const handle = fs.openSync(beside, 'w');
    try {
      for await (const chunk of downloadBytes(gateway, sha256, 0, signal)) fs.writeSync(handle, chunk);
    } finally {
      fs.closeSync(handle);
    }
    const found = await sha256OfFile(beside);
    if (found !== sha256) throw failed(`${path.basename(file)} came with SHA-256 ${found}; it must be ${sha256}`);
    fs.renameSync(beside, file);
  } finally {
    fs.rmSync(beside, { force: true });
  }
}

function resultsIn(out: string): JobResult {
  const at = (name: string) => path.join(out, name);
  return {
    heads: readHeads(at('heads.json')),
    ...(fs.existsSync(at('scores.json')) && { scores: readScores(at('scores.json')) }),
    mask: readMask(at('mask.json')),
    metrics: readMetrics(at('metrics.json')),
  };
}
