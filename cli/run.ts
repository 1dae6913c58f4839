import * as path from 'node:path';
import { type Command, Option } from 'commander';
import { analyze } from '../analyzer/engine';
import {
  EXPORT_FORMATS,
  type ExportFormat,
  type JobEvent,
  type JobResult,
  type JobSpec,
  type JobStages,
  runJob,
} from '../gateway/job';
import { checkFolder, inFolder, replaceFolder } from '../gateway/out';
import { FolderPlace, resultKeys } from '../gateway/place';
import { selectHeads } from '../heads/select';
import { openCheckpoint } from '../model/checkpoint';
import { writeReport } from '../report/files';
import { rankingInWords, stabilityInWords } from '../report/words';
import { exportCheckpoint } from '../results/checkpoint-export';
import { readDelta } from '../results/delta';
import { train } from '../trainer/engine';
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
import { checkInputs } from './inputs';
import { printJson, secondsText } from './output';
import { CHECKPOINT_FOLDER, DELTA_FOLDER, REPORT_FOLDER } from './own-folders';
import { maskTable } from './select';
import { follow, inSession, modelFolder, type Session, show, unlessAborted } from './session';
import { checkOneStdin, spooled } from './stdin';
import { epochLine, folderBytes, trainingSummary } from './train';

/** What a run leaves in its `--out`, besides files. */
const FOLDERS = { delta: DELTA_FOLDER, report: REPORT_FOLDER, checkpoint: CHECKPOINT_FOLDER };

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
  command.action(run);
}

async function run(flags: Flags): Promise<void> {
  const started = performance.now();
  const out = flags.out as string;
  const rules = { resume: flags.resume === true, overwrite: flags.overwrite === true };
  checkFolder(out, rules, FOLDERS);
  const options = {
    analysis: analysisFlags(flags),
    selection: selectionFlags(flags),
    training: trainingFlags(flags),
    exports: flags.export as ExportFormat[],
  };
  const source = dataFlags(flags, true);
  checkOneStdin(flags.train, flags.dev);
  const rows = source(flags.train as string);
  const dev = flags.dev === undefined ? undefined : source(flags.dev as string);

  const result = await inSession(async (session) => {
    const files = {
      train: await spooled(rows, session.signal),
      ...(dev && { dev: await spooled(dev, session.signal) }),
    };
    const spec: JobSpec = { model: await modelFolder(flags, session), ...files, ...options };
    const inputs = await checkInputs(spec);
    return inFolder(out, rules, FOLDERS, () => {
      const place = new FolderPlace(out, resultKeys(spec, inputs), inputs.model, rules.resume);
      const job = runJob(spec, localStages(out, rules.resume), place, session.signal);
      return follow(job, (event) => tell(session, event));
    });
  });

  const seconds = (performance.now() - started) / 1000;
  const delta = path.join(out, 'delta');
  const paths = resultPaths(out, options.exports);
  process.stderr.write(`${[...summary(result, delta), `${secondsText(seconds)} in all`, ...paths].join('\n')}\n`);
  if (flags.json) {
    const { mask, metrics } = result;
    await printJson({ out, mask, metrics, deltaBytes: folderBytes(delta), elapsedSeconds: seconds, files: paths });
  }
}

/** The pipelines themselves, each engine in a child process, results in `out`. */
function localStages(out: string, resume: boolean): JobStages {
  const delta = path.join(out, 'delta');
  return {
    analyze: ({ model, train: data, analysis }, signal) => analyze({ model, data, options: analysis }, signal),
    select: selectHeads,
    train: ({ model, train: rows, dev, training }, mask, signal) =>
      train({ model, train: rows, dev, mask, options: training, out, resume }, signal),
    export: async ({ model }, format, signal) => {
      const checkpoint = await openCheckpoint(model);
      try {
        const merged = { checkpoint, delta: readDelta(delta, checkpoint), dtype: 'float32' as const };
        return await replaceFolder(path.join(out, format), FOLDERS[format], true, async (folder) => {
          await unlessAborted(signal);
          const { notes } = await exportCheckpoint({ ...merged, out: folder });
          await unlessAborted(signal);
          return notes;
        });
      } finally {
        checkpoint.close();
      }
    },
    report: async ({ training }, result) => {
      writeReport(out, { ...result, training });
    },
  };
}

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

function resultPaths(out: string, exports: readonly string[]): string[] {
  return ['heads.json', 'mask.json', 'metrics.json', 'delta', ...exports, 'report.html'].map((name) =>
    path.join(out, name),
  );
}
