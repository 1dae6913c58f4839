import * as path from 'node:path';
import { type Command, Option } from 'commander';
import { EXPORT_FORMATS, type ExportFormat } from '../delta/export-request';
import { invalidInput } from '../foundation/errors';
import { follow } from '../foundation/follow';
import type { Tune } from '../heads/tune';
import { estimate, type JobEstimate } from '../job/estimate';
import { jobInFolder } from '../job/in-folder';
import { checkInputs } from '../job/inputs';
import type { JobEvent, JobResult, JobSpec } from '../job/job';
import { localCalibrations } from '../job/local-calibrations';
import { checkFolder, folderBytes, inFolder } from '../job/out';
import { JOB_RESULTS } from '../job/own-folders';
import { rankingInWords, stabilityInWords } from '../report/sentences';
import { addConfigFlag } from './config-file';
import { addDataFlags, addDevFlag, addRowsFlag, dataFlags } from './data-flags';
import { someOf } from './flag-values';
import {
  addAnalysisFlags,
  addEngineFlags,
  addModelFlags,
  addSelectionFlags,
  addTrainingFlags,
  analysisFlags,
  type Flags,
  selectionFlags,
  trainingFlags,
} from './flags';
import { addGatewayFlags, gatewayClient, remoteModel } from './gateway-flags';
import { addOnnxDtypeFlag, onnxDtypeFlag, onnxTable } from './onnx-flags';
import { bytesText, grouped, percentText, printJson, secondsText, table, writeLines } from './output';
import { addJsonFlag, addOutFlag, addRuleFlags } from './output-flags';
import { maskTable } from './select';
import { inSession, modelFolder, requestedModel, type Session, show } from './session';
import { checkOneStdin, readable } from './stdin';
import { epochLine, rateLine, trainingSummary } from './train';

/** Adds the flags that describe a run, all of which a settings file may set. */
export function addRunFlags(command: Command): void {
  addModelFlags(command);
  addRowsFlag(command, '--train', 'the labelled rows to analyse and train on');
  addDevFlag(command);
  addOutFlag(command, 'folder for all results', 'folder');
  const formats = `folders to write besides the delta, instead of checkpoint alone: ${EXPORT_FORMATS.join(', ')}`;
  const option = new Option('--export <formats>', formats).argParser(someOf('--export', EXPORT_FORMATS));
  command.addOption(option.default(['checkpoint'], 'checkpoint'));
  addOnnxDtypeFlag(command);
  addDataFlags(command, true);
  addAnalysisFlags(command);
  addSelectionFlags(command);
  addTrainingFlags(command);
  addEngineFlags(command);
  addGatewayFlags(command);
}

export function define(command: Command): void {
  addRunFlags(command);
  command.optionsGroup('This call:');
  addConfigFlag(command);
  addRuleFlags(command, true);
  command.option(
    '--dry-run',
    'estimate parameters, memory and seconds; start and write nothing (a gateway gets the rows)',
  );
  addJsonFlag(command);
  // A dry run needs no folder.
  command.options.find(({ long }) => long === '--out')?.makeOptionMandatory(false);
  command.action((flags: Flags) => (flags.dryRun ? dryRun(flags) : run(flags)));
}

async function run(flags: Flags): Promise<void> {
  const started = performance.now();
  if (flags.out === undefined) throw invalidInput("required option '--out <path>' not specified");
  const out = flags.out as string;
  const rules = { resume: flags.resume === true, overwrite: flags.overwrite === true };
  checkFolder(out, rules, JOB_RESULTS);
  const job = jobFlags(flags);

  if (flags.gateway !== undefined) return runRemotely(flags, job, out, rules, started);
  const result = await inSession(async (session) => {
    const spec = await jobSpec(flags, job, session);
    const events = jobInFolder(spec, { out, ...rules, asked: requestedModel(flags) }, session.signal);
    return follow(events, (event) => showEvent(session, event));
  });

  await reportResult(flags, job, { out, result, started });
}

/** Runs the same job at a gateway, for `--gateway`. */
async function runRemotely(
  flags: Flags,
  job: Omit<JobSpec, 'model'>,
  out: string,
  rules: { resume: boolean; overwrite: boolean },
  started: number,
): Promise<void> {
  const { runAtGateway } = require('./remote-run') as typeof import('./remote-run');
  const gateway = gatewayClient(flags);
  try {
    const { result, jobId, traceId } = await inSession(async (session) => {
      const spec = { ...(await withRows(job, session)), model: remoteModel(flags) };
      return inFolder(out, rules, JOB_RESULTS, () => runAtGateway(gateway, spec, out, rules.resume, session));
    });
    await reportResult(flags, job, { out, result, started }, { jobId, traceId });
  } finally {
    gateway.close();
  }
}

/** Reports a run's results, for people and with `--json` for programs. */
async function reportResult(
  flags: Flags,
  job: Omit<JobSpec, 'model'>,
  { out, result, started }: { out: string; result: JobResult; started: number },
  served: { jobId?: string; traceId?: string } = {},
): Promise<void> {
  const seconds = (performance.now() - started) / 1000;
  const delta = path.join(out, 'delta');
  const paths = resultPaths(out, result, job.exports);
  writeLines([...summary(result, delta), `${secondsText(seconds)} in all`, ...paths]);
  if (flags.json) {
    const { mask, metrics } = result;
    await printJson({
      out,
      mask,
      metrics,
      deltaBytes: folderBytes(delta),
      elapsedSeconds: seconds,
      files: paths,
      ...served,
    });
  }
}

/** Reads the job from the flags, except its model. */
export function jobFlags(flags: Flags): Omit<JobSpec, 'model'> {
  const exports = flags.export as ExportFormat[];
  const options = {
    analysis: analysisFlags(flags),
    selection: selectionFlags(flags),
    training: trainingFlags(flags),
    exports,
    onnxDtypes: onnxDtypeFlag(flags, exports.includes('onnx'), '--export onnx'),
  };
  const source = dataFlags(flags, true);
  checkOneStdin(['--train', flags.train], ['--dev', flags.dev]);
  const dev = flags.dev !== undefined && { dev: source(flags.dev as string) };
  return { train: source(flags.train as string[]), ...dev, ...options };
}

/** Completes a job: makes its rows readable more than once, and resolves its model. */
async function jobSpec(flags: Flags, job: Omit<JobSpec, 'model'>, session: Session): Promise<JobSpec> {
  return { ...(await withRows(job, session)), model: await modelFolder(flags, session) };
}

async function withRows(job: Omit<JobSpec, 'model'>, { signal }: Session): Promise<Omit<JobSpec, 'model'>> {
  const train = await readable(job.train, signal);
  return { ...job, train, ...(job.dev && { dev: await readable(job.dev, signal) }) };
}

/** Estimates the run where it would happen, for `--dry-run`. */
async function dryRun(flags: Flags): Promise<void> {
  const job = jobFlags(flags);
  const estimated = await inSession((session) =>
    flags.gateway === undefined ? estimateHere(flags, job, session) : estimateThere(flags, job, session),
  );
  writeLines(estimateTable(estimated, job.selection.tune));
  if (flags.json) await printJson(estimated);
}

async function estimateHere(flags: Flags, job: Omit<JobSpec, 'model'>, session: Session): Promise<JobEstimate> {
  const spec = await jobSpec(flags, job, session);
  await checkInputs(spec);
  return follow(estimate(spec, localCalibrations, session.signal), (event) => show(session, event));
}

async function estimateThere(flags: Flags, job: Omit<JobSpec, 'model'>, session: Session): Promise<JobEstimate> {
  const { estimateAtGateway } = require('./remote-run') as typeof import('./remote-run');
  const gateway = gatewayClient(flags);
  try {
    const spec = { ...(await withRows(job, session)), model: remoteModel(flags) };
    return await estimateAtGateway(gateway, spec, session);
  } finally {
    gateway.close();
  }
}

function estimateTable({ seconds, rows, ...sizes }: JobEstimate, tune: Tune): string[] {
  const { analysis, scoring, training, evaluation, total } = seconds;
  const about = (time: number) => `about ${secondsText(time)}`;
  const what = tune === 'neurons' ? 'neurons' : `${sizes.heads} heads`;
  return table([
    [
      'tuned',
      `${what}, ${grouped(sizes.trainableParameters)} of ${grouped(sizes.totalParameters)} parameters (${percentText(sizes.share)})`,
    ],
    ['task head', `${grouped(sizes.taskHeadParameters)} parameters`],
    ['delta', bytesText(sizes.deltaBytes)],
    ['peak memory', `about ${bytesText(sizes.peakMemoryBytes)}`],
    ['analysis', about(analysis)],
    ...(scoring === undefined ? [] : [['scoring', about(scoring)]]),
    ['training', `${about(training)}, ${grouped(sizes.steps)} steps on ${grouped(rows.train)} rows`],
    ['evaluation', `${about(evaluation)}, ${grouped(rows.dev)} rows per epoch`],
    ['total', about(total)],
    ['', 'nothing was started'],
  ]);
}

/** States that are shown when they begin. The others are the command's own start and end. */
const SHOWN_STATES: ReadonlySet<string> = new Set(['ANALYZING', 'SELECTING', 'TRAINING', 'EVALUATING', 'EXPORTING']);

function showEvent(session: Session, event: JobEvent): void {
  show(session, event);
  if (event.kind === 'state' && SHOWN_STATES.has(event.state)) session.progress.say(event.state.toLowerCase());
  if (event.kind === 'rate') session.progress.say(rateLine(event.rate));
  if (event.kind === 'epoch') session.progress.say(epochLine(event.epoch));
  if (event.kind === 'artifact' && event.kept) session.progress.say(`${event.name} is stored already`);
}

function summary({ heads, mask, metrics }: JobResult, delta: string): string[] {
  const onnx = metrics.onnx ? ['', ...onnxTable(metrics.onnx, metrics.metric)] : [];
  const sentences = [rankingInWords(heads), stabilityInWords(heads, mask)].filter((sentence) => sentence !== null);
  return [
    '',
    ...sentences,
    '',
    ...maskTable(mask, heads.model.layers),
    '',
    ...trainingSummary(metrics, delta),
    ...onnx,
  ];
}

function resultPaths(out: string, { scores }: JobResult, exports: readonly string[]): string[] {
  const scored = scores ? ['scores.json'] : [];
  return ['heads.json', ...scored, 'mask.json', 'metrics.json', 'delta', ...exports, 'report.html'].map((name) =>
    path.join(out, name),
  );
}
