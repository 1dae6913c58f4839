import type { DataSource } from '../data/dataset';
import type { ExportFormat, ExportResult } from '../delta/export-request';
import type { ScoreEvent } from '../delta/score-options';
import type { CheckpointEvent, EpochEvent, TrainEvent, TrainMetrics, TrainOptions } from '../delta/training-options';
import { cancelled, HifiError } from '../foundation/errors';
import { filtered } from '../foundation/follow';
import type { StageProgress, WarningEvent, WorkInterval } from '../foundation/progress';
import type { AnalysisOptions } from '../heads/analysis-options';
import type { AnalysisEvent } from '../heads/analysis-request';
import type { HeadReport } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import { type HeadScores, isScoreStrategy } from '../heads/scores';
import type { ScoredHeads, SelectionInput, SelectionOptions } from '../heads/select';
import type { OnnxDtype } from '../model/onnx-dtype';
import type { ResultFiles, ResultName } from './files';

/** A job's path, in order; FAILED or CANCELLED may follow any of them but the last. */
export const JOB_PATH = [
  'QUEUED',
  'ANALYZING',
  'SELECTING',
  'TRAINING',
  'EVALUATING',
  'EXPORTING',
  'SUCCEEDED',
] as const;
/** A job's states: those of its path, and how it may end otherwise. */
export type JobState = (typeof JOB_PATH)[number] | 'FAILED' | 'CANCELLED';

/**
 * What is to be done: everything that a result depends on, and nothing of where it runs.
 *
 * @typeParam Rows what tells where rows are: a file, or for a server what its clients send
 */
export interface JobSpec<Rows = DataSource> {
  model: string;
  train: Rows;
  /** Rows the epochs are judged on; a seeded tenth of `train` is held out when absent. */
  dev?: Rows;
  analysis: AnalysisOptions;
  selection: SelectionOptions;
  training: TrainOptions;
  exports: readonly ExportFormat[];
  /** Number types of an ONNX export, a file each. */
  onnxDtypes: readonly OnnxDtype[];
}

/** Settings for gradient scores, except the number of sequences, which is that of the analysis. */
export function scoringOf({ analysis, training }: Pick<JobSpec<unknown>, 'analysis' | 'training'>) {
  const { seed, device, threads } = training;
  return { maxLength: analysis.maxLength, seed, device, threads };
}

/** What a job tells while it runs. */
export type JobEvent = StateEvent | StageProgress | WarningEvent | EpochEvent | CheckpointEvent | ArtifactEvent;

/** The job has entered a state. */
export interface StateEvent {
  /** What event it is. */
  kind: 'state';
  /** The state. */
  state: JobState;
}

/** A result is in its place. */
export interface ArtifactEvent {
  /** What event it is. */
  kind: 'artifact';
  /** Of its file or folder. */
  name: string;
  /** It was there from an earlier attempt and was not made again. */
  kept: boolean;
}

/** What a job has made, besides folders. */
export interface JobResult {
  /** heads.json. */
  heads: HeadReport;
  /** scores.json. There for a strategy that needs gradients. */
  scores?: HeadScores;
  /** mask.json. */
  mask: Mask;
  /** metrics.json. */
  metrics: TrainMetrics;
}

/** The work of each state. `hifi run` gives the engines themselves, a server gives its clients. */
export interface JobStages<Rows = DataSource> {
  analyze(spec: JobSpec<Rows>, signal: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport>;
  /** For a strategy that needs gradients: on as many sequences as the analysis has measured. */
  score(spec: JobSpec<Rows>, heads: HeadReport, signal: AbortSignal): AsyncGenerator<ScoreEvent, HeadScores>;
  select(measured: SelectionInput | ScoredHeads, options: SelectionOptions): Mask;
  /** Leaves the delta in the place of results; goes on from its own checkpoint where there is one. */
  train(spec: JobSpec<Rows>, mask: Mask, signal: AbortSignal): AsyncGenerator<TrainEvent, TrainMetrics>;
  /** Evaluates the files of an ONNX folder on the dev rows. */
  export(spec: JobSpec<Rows>, format: ExportFormat, signal: AbortSignal): Promise<ExportResult>;
  /** What people read: report.html and what it draws. */
  report(
    spec: JobSpec<Rows>,
    result: Partial<JobResult> & Pick<JobResult, 'heads'>,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Where results are put, and what an earlier attempt at the same job has left there. */
export interface JobPlace {
  /** A result that need not be made again: whole, and made of the same input with the same options. */
  kept<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined>;
  /** Whether the export of an earlier attempt is there, made from the results that are kept. */
  keptExport(format: ExportFormat): Promise<boolean>;
  /** A result is about to be made anew: from now on neither it nor what is made of it is kept. */
  invalidate(from: ResultName | ExportFormat): Promise<void>;
  /** An export is in its place, made from the results that are there. */
  exported(format: ExportFormat): Promise<void>;
  write<N extends ResultName>(name: N, content: ResultFiles[N]): Promise<void>;
}

/**
 * Drives a job along its path: analyse, select, train, evaluate, export. Results that the place has kept are not made again.
 * Knows nothing of files, processes or networks.
 *
 * @throws HifiError the stage's error, after the event FAILED or CANCELLED; CANCELLED between two stages when `signal` aborts.
 */
export async function* runJob<Rows>(
  spec: JobSpec<Rows>,
  stages: JobStages<Rows>,
  place: JobPlace,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, JobResult> {
  return yield* toItsEnd(signal, async function* (enter) {
    const heads = yield* analysis(spec, stages, place, enter, signal);

    const warned = new Set<string>(); // both stages warn of the same rows
    yield enter('SELECTING');
    let scores: HeadScores | undefined;
    if (isScoreStrategy(spec.selection.strategy)) {
      const keptScores = await keptOrInvalid(place, 'scores.json');
      scores = keptScores ?? (yield* told(stages.score(spec, heads, signal), warned));
      yield await put(place, 'scores.json', scores, keptScores);
    }
    const keptMask = await keptOrInvalid(place, 'mask.json');
    const mask = keptMask ?? stages.select(scores ?? heads, spec.selection);
    yield await put(place, 'mask.json', mask, keptMask);

    yield enter('TRAINING');
    const keptMetrics = await keptOrInvalid(place, 'metrics.json');
    let metrics = keptMetrics ?? (yield* told(stages.train(spec, mask, signal), warned));
    yield { kind: 'artifact', name: 'delta', kept: keptMetrics !== undefined };

    yield enter('EVALUATING');
    yield await put(place, 'metrics.json', metrics, keptMetrics);

    yield enter('EXPORTING');
    for (const format of spec.exports) {
      const kept = keptMetrics !== undefined && (await place.keptExport(format));
      if (!kept) {
        await place.invalidate(format);
        const { notes, onnx } = await stages.export(spec, format, signal);
        for (const message of notes) yield { kind: 'warning', message };
        if (onnx) {
          metrics = { ...metrics, onnx };
          yield await put(place, 'metrics.json', metrics, undefined);
        }
        await place.exported(format);
      }
      yield { kind: 'artifact', name: format, kept };
    }
    const result = { heads, ...(scores && { scores }), mask, metrics };
    await stages.report(spec, result, signal);
    yield { kind: 'artifact', name: 'report.html', kept: false };

    return result;
  });
}

/**
 * Drives a job that ends with the analysis: QUEUED, ANALYZING, SUCCEEDED.
 *
 * @throws HifiError as {@link runJob}
 */
export async function* runAnalysis<Rows>(
  spec: JobSpec<Rows>,
  stages: Pick<JobStages<Rows>, 'analyze' | 'report'>,
  place: JobPlace,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, HeadReport> {
  return yield* toItsEnd(signal, async function* (enter) {
    const heads = yield* analysis(spec, stages, place, enter, signal);
    await stages.report(spec, { heads }, signal);
    yield { kind: 'artifact', name: 'report.html', kept: false };
    return heads;
  });
}

type Enter = (state: JobState) => JobEvent;

/** A path from QUEUED to its end: SUCCEEDED, or where it throws FAILED or CANCELLED. */
async function* toItsEnd<Result>(
  signal: AbortSignal,
  path: (enter: Enter) => AsyncGenerator<JobEvent, Result>,
): AsyncGenerator<JobEvent, Result> {
  const enter: Enter = (state) => {
    if (signal.aborted) throw cancelled();
    return { kind: 'state', state };
  };
  try {
    yield enter('QUEUED');
    const result = yield* path(enter);
    yield enter('SUCCEEDED');
    return result;
  } catch (thrown) {
    const error = signal.aborted ? cancelled() : HifiError.from(thrown);
    yield { kind: 'state', state: error.code === 'CANCELLED' ? 'CANCELLED' : 'FAILED' };
    throw error;
  }
}

async function* analysis<Rows>(
  spec: JobSpec<Rows>,
  stages: Pick<JobStages<Rows>, 'analyze'>,
  place: JobPlace,
  enter: Enter,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, HeadReport> {
  yield enter('ANALYZING');
  const kept = await keptOrInvalid(place, 'heads.json');
  const heads = kept ?? (yield* told(stages.analyze(spec, signal)));
  yield await put(place, 'heads.json', heads, kept);
  return heads;
}

/** A result of an earlier attempt; where there is none to keep, nothing that was made of it is kept either. */
async function keptOrInvalid<N extends ResultName>(place: JobPlace, name: N): Promise<ResultFiles[N] | undefined> {
  const kept = await place.kept(name);
  if (kept === undefined) await place.invalidate(name);
  return kept;
}

async function put<N extends ResultName>(
  place: JobPlace,
  name: N,
  content: ResultFiles[N],
  kept: ResultFiles[N] | undefined,
): Promise<JobEvent> {
  if (kept === undefined) await place.write(name, content);
  return { kind: 'artifact', name, kept: kept !== undefined };
}

/** An engine's events without its intervals, which are not the job's, and without repeated warnings. */
const told = <Result>(events: AsyncGenerator<JobEvent | WorkInterval, Result>, warned = new Set<string>()) =>
  filtered(events, (event): event is JobEvent => {
    if (event.kind === 'interval' || (event.kind === 'warning' && warned.has(event.message))) return false;
    if (event.kind === 'warning') warned.add(event.message);
    return true;
  });
