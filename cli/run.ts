import * as fs from 'node:fs';
import * as path from 'node:path';
import { type Command, Option } from 'commander';
import { analyze } from '../analyzer/engine';
import { invalidInput } from '../errors';
import { estimate, type JobEstimate } from '../gateway/estimate';
import { type JobEvent, type JobResult, type JobSpec, type JobStages, runJob } from '../gateway/job';
import { checkFolder, inFolder, replaceFolder } from '../gateway/out';
import { FolderPlace, resultKeys } from '../gateway/place';
import type { ScoreStrategy } from '../heads/scores';
import { selectHeads } from '../heads/select';
import { writeReport } from '../report/files';
import { rankingInWords, stabilityInWords } from '../report/words';
import { readDelta } from '../results/delta';
import { EXPORT_FORMATS, type ExportFormat } from '../results/export-request';
import { resultOf } from '../results/onnx-export';
import { scoreHeads, train } from '../trainer/engine';
import { exportModel } from '../trainer/export';
import { someOf } from './flag-values';
import {
  addAnalysisFlags,
  addDataFlags,
  addEngineFlags,
  addJsonFlag,
  addModelFlags,
  addOutFlags,
  addSelectionFlags,
  addTrainingFlags,
  analysisFlags,
  dataFlags,
  type Flags,
  selectionFlags,
  trainingFlags,
} from './flags';
import { addGatewayFlags, gatewayClient } from './gateway-flags';
import { checkInputs } from './inputs';
import { bytesText, grouped, percentText, printJson, secondsText, table } from './output';
import { DELTA_FOLDER, EXPORT_FOLDERS, REPORT_FOLDER } from './own-folders';
import { maskTable } from './select';
import { follow, inSession, modelFolder, type Session, show } from './session';
import { checkOneStdin, spooled } from './stdin';
import { epochLine, folderBytes, trainingSummary } from './train';

/** What a run leaves in its `--out`, besides files. */
const FOLDERS = { delta: DELTA_FOLDER, report: REPORT_FOLDER, ...EXPORT_FOLDERS };

export function define(command: Command): void {
  addModelFlags(command);
  command.requiredOption('--train <file>', 'the labelled rows to analyse and train on');
  command.option('--dev <file>', 'those to judge the epochs by (default: a seeded tenth of --train)');
  addOutFlags(command, 'folder for all results', true);
  addDataFlags(command, true);
  addAnalysisFlags(command);
  addSelectionFlags(command);
  addTrainingFlags(command);
  addEngineFlags(command);
  addJsonFlag(command);
  const formats = someOf('--export', EXPORT_FORMATS);
  command.addOption(
    new Option('--export <formats>', `folders to write besides the delta: ${EXPORT_FORMATS.join(', ')}`)
      .argParser(formats)
      .default(['checkpoint'], 'checkpoint'),
  );
  addGatewayFlags(command);
  command.optionsGroup('Output:');
  command.option('--dry-run', 'tell what it would come to (parameters, memory, seconds), start and write nothing');
  // There is nothing to be put anywhere in a dry run.
  command.options.find(({ long }) => long === '--out')?.makeOptionMandatory(false);
  command.action((flags: Flags) => (flags.dryRun ? dryRun(flags) : run(flags)));
}

async function run(flags: Flags): Promise<void> {
  const started = performance.now();
  if (flags.out === undefined) throw invalidInput("required option '--out <path>' not specified");
  const out = flags.out as string;
  const rules = { resume: flags.resume === true, overwrite: flags.overwrite === true };
  checkFolder(out, rules, FOLDERS);
  const job = jobFlags(flags);

  if (flags.gateway !== undefined) return runRemotely(flags, job, out, rules, started);
  const result = await inSession(async (session) => {
    const spec = await jobSpec(flags, job, session);
    const inputs = await checkInputs(spec);
    return inFolder(out, rules, FOLDERS, () => {
      const place = new FolderPlace(out, resultKeys(spec, inputs), inputs.model, rules.resume);
      const events = runJob(spec, localStages(out, rules.resume, flags.model as string), place, session.signal);
      return follow(events, (event) => tell(session, event));
    });
  });

  await tellResult(flags, job, out, result, started);
}

/** `--gateway`: the same job, at a gateway. */
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
      return inFolder(out, rules, FOLDERS, () => runAtGateway(gateway, spec, out, rules.resume, session));
    });
    await tellResult(flags, job, out, result, started, { jobId, traceId });
  } finally {
    gateway.close();
  }
}

/** A model that the gateway's services know: by its name, or by its folder where they lie on the same machine. */
function remoteModel({ model, revision }: Flags): string {
  if (revision !== undefined) throw invalidInput('--revision does not go with --gateway: the services look models up');
  return fs.existsSync(model as string) ? path.resolve(model as string) : (model as string);
}

/** What a run came to, for people and with `--json` for programs. */
async function tellResult(
  flags: Flags,
  job: Omit<JobSpec, 'model'>,
  out: string,
  result: JobResult,
  started: number,
  served: { jobId?: string; traceId?: string } = {},
): Promise<void> {
  const seconds = (performance.now() - started) / 1000;
  const delta = path.join(out, 'delta');
  const paths = resultPaths(out, result, job.exports);
  process.stderr.write(`${[...summary(result, delta), `${secondsText(seconds)} in all`, ...paths].join('\n')}\n`);
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

/** What the flags say of the job, but for the model. */
function jobFlags(flags: Flags): Omit<JobSpec, 'model'> {
  const options = {
    analysis: analysisFlags(flags),
    selection: selectionFlags(flags),
    training: trainingFlags(flags),
    exports: flags.export as ExportFormat[],
  };
  const source = dataFlags(flags, true);
  checkOneStdin(flags.train, flags.dev);
  const dev = flags.dev !== undefined && { dev: source(flags.dev as string) };
  return { train: source(flags.train as string), ...dev, ...options };
}

/** The whole job: its rows where they can be read more than once, its model where it lies. */
async function jobSpec(flags: Flags, job: Omit<JobSpec, 'model'>, session: Session): Promise<JobSpec> {
  return { ...(await withRows(job, session)), model: await modelFolder(flags, session) };
}

async function withRows(job: Omit<JobSpec, 'model'>, { signal }: Session): Promise<Omit<JobSpec, 'model'>> {
  const train = await spooled(job.train, signal);
  return { ...job, train, ...(job.dev && { dev: await spooled(job.dev, signal) }) };
}

/** `--dry-run`: what the run would come to. */
async function dryRun(flags: Flags): Promise<void> {
  const job = jobFlags(flags);
  const told = await inSession(async (session) => {
    const spec = await jobSpec(flags, job, session);
    await checkInputs(spec);
    return follow(estimate(spec, session.signal), (event) => show(session, event));
  });
  process.stderr.write(`${estimateTable(told).join('\n')}\n`);
  if (flags.json) await printJson(told);
}

function estimateTable({ seconds, rows, ...told }: JobEstimate): string[] {
  const { analysis, scoring, training, evaluation, total } = seconds;
  const about = (time: number) => `about ${secondsText(time)}`;
  return table([
    [
      'tuned',
      `${told.heads} heads, ${grouped(told.trainableParameters)} of ${grouped(told.totalParameters)} parameters (${percentText(told.share)})`,
    ],
    ['task head', `${grouped(told.taskHeadParameters)} parameters`],
    ['delta', bytesText(told.deltaBytes)],
    ['most memory', `about ${bytesText(told.peakMemoryBytes)}`],
    ['analysis', about(analysis)],
    ...(scoring === undefined ? [] : [['scoring', about(scoring)]]),
    ['training', `${about(training)}, ${grouped(told.steps)} steps on ${grouped(rows.train)} rows`],
    ['evaluation', `${about(evaluation)}, ${grouped(rows.dev)} rows an epoch`],
    ['in all', about(total)],
    ['', 'nothing was started'],
  ]);
}

/**
 * The pipelines themselves, each engine in a child process, results in `out`.
 *
 * @param model as it was asked for: its folder or its name
 */
function localStages(out: string, resume: boolean, model: string): JobStages {
  const delta = path.join(out, 'delta');
  return {
    analyze: ({ model, train: data, analysis }, signal) => analyze({ model, data, options: analysis }, signal),
    score: ({ model, train: rows, analysis, selection, training }, { samples }, signal) => {
      const { seed, device, threads } = training;
      const strategy = selection.strategy as ScoreStrategy;
      const scoring = { samples, maxLength: analysis.maxLength, seed, device, threads };
      return scoreHeads({ model, train: rows, strategy, options: scoring }, signal);
    },
    select: selectHeads,
    train: ({ model, train: rows, dev, training }, mask, signal) =>
      train({ model, train: rows, dev, mask, options: training, out, resume }, signal),
    export: ({ model }, format, signal) =>
      replaceFolder(path.join(out, format), EXPORT_FOLDERS[format], true, (folder) =>
        resultOf(exportModel({ format, model, delta, out: folder }, signal)),
      ),
    report: async ({ training, train: rows, dev, exports }, result) => {
      const deltaBytes = folderBytes(delta);
      const { id2label } = readDelta(delta).info;
      const base = beside(out, model);
      const told = { deltaBytes, id2label, exports, asked: { model, base, rows, ...(dev && { dev }) } };
      writeReport(out, { ...result, training, ...told });
    },
  };
}

/** A model's folder as it is called from within `out`; a name is a name everywhere. */
const beside = (out: string, model: string) =>
  fs.existsSync(model) && !path.isAbsolute(model) ? path.relative(out, model) : model;

/** States that are told as they begin; the others are the command's start and its end. */
const SAID: ReadonlySet<string> = new Set(['ANALYZING', 'SELECTING', 'TRAINING', 'EVALUATING', 'EXPORTING']);

function tell(session: Session, event: JobEvent): void {
  show(session, event);
  if (event.kind === 'state' && SAID.has(event.state)) session.progress.say(event.state.toLowerCase());
  if (event.kind === 'epoch') session.progress.say(epochLine(event.epoch));
  if (event.kind === 'artifact' && event.kept) session.progress.say(`${event.name} is there already`);
}

function summary({ heads, mask, metrics }: JobResult, delta: string): string[] {
  const inWords = [rankingInWords(heads), stabilityInWords(heads)].filter((sentence) => sentence !== null);
  return ['', ...inWords, '', ...maskTable(mask, heads.model.layers), '', ...trainingSummary(metrics, delta)];
}

function resultPaths(out: string, { scores }: JobResult, exports: readonly string[]): string[] {
  const scored = scores ? ['scores.json'] : [];
  return ['heads.json', ...scored, 'mask.json', 'metrics.json', 'delta', ...exports, 'report.html'].map((name) =>
    path.join(out, name),
  );
}
