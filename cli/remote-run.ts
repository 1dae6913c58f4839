import * as fs from 'node:fs';
import * as path from 'node:path';
import { differenceOf } from '../compare/settings';
import type { DataSource } from '../data/dataset';
import { filesOf } from '../data/files';
import { jsonLines, jsonLinesSource } from '../data/json-lines';
import { namedProblem } from '../data/problem';
import { readDataset } from '../data/read';
import { modelIdentity, optionsIdentity, readRowsIdentity } from '../delta/identity';
import { cancelled, failed, HifiError, invalidInput } from '../foundation/errors';
import { sha256OfFile } from '../foundation/hash';
import { temporaryFolder } from '../foundation/temporary';
import { writeWhole } from '../foundation/whole-file';
import { estimateOfMessage } from '../gateway/estimate-message';
import { followJob } from '../gateway/follow-job';
import { uploadFile } from '../infra/artifacts/transfer';
import type { GrpcClient } from '../infra/grpc/client';
import type { JobEstimate } from '../job/estimate';
import { readHeads, readMask, readMetrics, readScores, writeJson } from '../job/files';
import { forgetResults } from '../job/folder-results';
import type { JobResult, JobSpec } from '../job/job';
import { openCheckpoint } from '../model/checkpoint';
import { GatewayService, JobState } from '../proto/gen/hifi/v1/gateway_pb';
import { analysisMessage, selectionMessage, trainingMessage } from '../proto/options';
import { gatewayError } from './gateway-flags';
import { showJobEvent } from './jobs';
import { download } from './remote-results';
import type { Session } from './session';

/** Record in `--out/state/` of a job at a gateway. */
interface RemoteJob {
  gateway: string;
  jobId: string;
  /** Identity of the request; see {@link requestIdentity}. */
  asked: object;
}

/** States of an ended job without results. */
const WITHOUT_RESULT: Partial<Record<JobState, string>> = {
  [JobState.CANCELLED]: 'was cancelled',
  [JobState.FAILED]: 'has failed',
};

const recordFile = (out: string) => path.join(out, 'state', 'gateway.json');

/**
 * Runs a job at a gateway: uploads its rows, follows its events, and downloads its results into
 * `out`. An interrupted command resumes the same job. It starts another job if the earlier one was
 * cancelled, has failed or had another model, other rows or options. Ctrl-C cancels the job.
 *
 * @throws HifiError INVALID_INPUT if the gateway refuses the job; FAILED if the job fails;
 *   CANCELLED
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
    const identity = await requestIdentity(spec);
    const earlier = resume ? await earlierJob(gateway, out, identity, session) : undefined;
    const jobId = earlier ?? (await createJob(gateway, spec, out, identity, session));
    const cancelJob = () => gateway.unary(GatewayService.method.cancelJob, { jobId }).catch(() => {});
    try {
      for await (const event of followJob(gateway, jobId, 1, signal, {
        note: (line) => session.progress.say(`note: ${line}`),
      })) {
        showJobEvent(session, event);
      }
    } catch (error) {
      if (signal.aborted) await cancelJob();
      throw error;
    }
    const { job } = await gateway.unary(GatewayService.method.getJob, { jobId }, { signal });
    if (job?.error) throw new HifiError('FAILED', `job ${jobId} has failed: ${job.error.message}`);
    if (job?.state !== JobState.SUCCEEDED) throw cancelled();
    for (const warning of job.warnings) session.progress.say(`warning: ${warning}`);
    // The download replaces the results of a local job, so its record must no longer list them.
    forgetResults(out, 'heads.json');
    const names = await download(gateway, jobId, out, session);
    return { result: resultsIn(out, names), jobId, traceId: job.traceId };
  } catch (thrown) {
    if (signal.aborted) throw cancelled();
    throw gatewayError(thrown);
  }
}

/**
 * Uploads a job's rows, and estimates it where it would run. Starts no job.
 *
 * @throws HifiError INVALID_INPUT if the gateway refuses the job; CANCELLED
 */
export async function estimateAtGateway(gateway: GrpcClient, job: JobSpec, session: Session): Promise<JobEstimate> {
  const { signal } = session;
  try {
    const spec = await sentSpec(gateway, job, session);
    return estimateOfMessage(await gateway.unary(GatewayService.method.estimateJob, { spec }, { signal }));
  } catch (thrown) {
    if (signal.aborted) throw cancelled();
    throw gatewayError(thrown);
  }
}

/**
 * Returns the job that an earlier command started, if it can still produce this command's results.
 */
async function earlierJob(
  gateway: GrpcClient,
  out: string,
  identity: object,
  session: Session,
): Promise<string | undefined> {
  const known = knownJob(out, gateway);
  if (known === undefined) return undefined;
  const { jobId } = known;
  const { job } = await gateway.unary(GatewayService.method.getJob, { jobId }, { signal: session.signal });
  const ended = job && WITHOUT_RESULT[job.state];
  const difference = differenceOf(known.asked ?? {}, identity);
  if (ended === undefined && difference === undefined) return jobId;
  const why = ended ?? `was requested with other settings (${difference})`;
  session.progress.say(`note: job ${jobId} ${why}; hifi starts another one`);
  return undefined;
}

/**
 * Computes a job's identity, as in `delta/identity.ts`: everything that its results depend on. A
 * model that is no local folder is identified only by its name.
 *
 * @throws HifiError INVALID_INPUT for a missing file
 */
export async function requestIdentity(spec: JobSpec) {
  const { model, train, dev, analysis, selection, training, exports, onnxDtypes } = spec;
  return {
    model: fs.existsSync(model) ? await folderIdentity(model) : model,
    train: await readRowsIdentity(train),
    dev: dev ? await readRowsIdentity(dev) : null,
    analysis: optionsIdentity(analysis),
    selection: optionsIdentity(selection),
    training: optionsIdentity(training),
    exports: [...exports],
    onnxDtypes: onnxDtypes.toSorted(),
  };
}

async function folderIdentity(model: string) {
  const checkpoint = await openCheckpoint(model);
  checkpoint.close();
  return modelIdentity(model, checkpoint.sha256);
}

function knownJob(out: string, { address }: GrpcClient): (Partial<RemoteJob> & { jobId: string }) | undefined {
  const file = recordFile(out);
  if (!fs.existsSync(file)) return undefined;
  const known = JSON.parse(fs.readFileSync(file, 'utf8')) as RemoteJob;
  if (known.gateway === address) return known;
  throw invalidInput(
    `${file} belongs to the gateway ${known.gateway}, not to ${address}; give that gateway, or another --out`,
  );
}

async function createJob(
  gateway: GrpcClient,
  spec: JobSpec,
  out: string,
  identity: object,
  session: Session,
): Promise<string> {
  const given = await sentSpec(gateway, spec, session);
  const { job } = await gateway.unary(GatewayService.method.createJob, { spec: given }, { signal: session.signal });
  if (!job) throw failed('the gateway returned no job');
  writeJson(recordFile(out), { gateway: gateway.address, jobId: job.jobId, asked: identity } satisfies RemoteJob);
  session.progress.say(`job ${job.jobId}${job.traceId ? `, trace ${job.traceId}` : ''}`);
  return job.jobId;
}

/** Uploads a job's rows, and returns its specification as the gateway's request has it. */
async function sentSpec(gateway: GrpcClient, spec: JobSpec, session: Session) {
  const { model, analysis, selection, training, exports, onnxDtypes } = spec;
  const train = await uploaded(gateway, spec.train, session);
  const dev = spec.dev && (await uploaded(gateway, spec.dev, session));
  const options = {
    analysis: analysisMessage(analysis),
    selection: selectionMessage(selection),
    training: trainingMessage(training),
  };
  return { model, train, ...(dev && { dev }), ...options, exports: [...exports], onnxDtypes: [...onnxDtypes] };
}

/** Merges a source of several files into one file of JSON lines: a request names one file. */
async function oneFile(rows: DataSource): Promise<DataSource> {
  const [first, ...others] = filesOf(rows);
  if (others.length === 0) return { ...rows, ...first };
  const dataset = await readDataset(rows, 'labels');
  const file = path.join(temporaryFolder('upload').path, 'rows.jsonl');
  writeWhole(file, jsonLines([dataset]));
  return { ...jsonLinesSource(file, dataset), path: `${path.basename(rows.path)}.jsonl`, file };
}

/** Uploads a dataset's file and returns the dataset as the gateway's request names it. */
export async function uploaded(gateway: GrpcClient, rows: DataSource, { signal, progress }: Session) {
  const sent = await oneFile(rows);
  const {
    path: name,
    file = name,
    format,
    task,
    textColumns,
    labelColumn,
    labelColumns,
    labelSeparator,
    delimiter,
  } = sent;
  const stored = { sha256: await sha256OfFile(file), sizeBytes: fs.statSync(file).size };
  await uploadFile(gateway, file, stored, signal, (done, total) =>
    progress.at({ stage: 'upload', done, total, unit: 'bytes' }),
  );
  // The extension gives the format, so a format flag becomes an extension.
  const base = path.basename(name);
  return {
    source: { case: 'artifact' as const, value: stored.sha256 },
    name: format ? `${base}.${format}` : base,
    task,
    textColumns,
    labelColumn,
    labelColumns,
    labelSeparator,
    problem: namedProblem(sent),
    delimiter,
  };
}

/**
 * Reads a job's results. @param names files of this job; the folder may also hold files of another
 * one
 */
function resultsIn(out: string, names: readonly string[]): JobResult {
  const at = (name: string) => path.join(out, name);
  return {
    heads: readHeads(at('heads.json')),
    ...(names.includes('scores.json') && { scores: readScores(at('scores.json')) }),
    mask: readMask(at('mask.json')),
    metrics: readMetrics(at('metrics.json')),
  };
}
