import type { DataSource } from '../data/dataset';
import type { ExportFormat, ExportResult } from '../delta/export-request';
import type { ScoreEvent } from '../delta/score-options';
import type {
  CheckpointEvent,
  EpochEvent,
  RateEvent,
  TrainEvent,
  TrainMetrics,
  TrainOptions,
} from '../delta/training-options';
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

/** States of a successful job, in order. FAILED or CANCELLED may follow each but the last. */
export const JOB_PATH = [
  'QUEUED',
  'ANALYZING',
  'SELECTING',
  'TRAINING',
  'EVALUATING',
  'EXPORTING',
  'SUCCEEDED',
] as const;
/** State of a job: one of {@link JOB_PATH}, or FAILED or CANCELLED. */
export type JobState = (typeof JOB_PATH)[number] | 'FAILED' | 'CANCELLED';

/**
 * Work of a job: everything that a result depends on, and nothing about where it runs.
 *
 * @typeParam Rows location of rows: a file, or for a server what its clients send
 */
export interface JobSpec<Rows = DataSource> {
  model: string;
  train: Rows;
  /** Rows for the evaluation of each epoch. Absent: a seeded tenth of `train` is held out. */
  dev?: Rows;
  analysis: AnalysisOptions;
  selection: SelectionOptions;
  training: TrainOptions;
  exports: readonly ExportFormat[];
  /** Number types of an ONNX export; each gives one file. */
  onnxDtypes: readonly OnnxDtype[];
}

/** Part of a job on which its scoring depends. */
export type ScoringSpec = Pick<JobSpec<unknown>, 'analysis' | 'selection' | 'training'>;

/** Settings for gradient scores, without the number of sequences: the analysis determines it. */
export function scoringOf({ analysis, selection, training }: ScoringSpec) {
  const { seed, device, threads, precision } = training;
  return { tune: selection.tune, maxLength: analysis.maxLength, seed, device, threads, precision };
}

/** Events that a job emits while it runs. */
export type JobEvent =
  | StateEvent
  | StageProgress
  | WarningEvent
  | RateEvent
  | EpochEvent
  | CheckpointEvent
  | ArtifactEvent;

/** Emitted when the job enters a state. */
export interface StateEvent {
  /** Discriminates events. */
  kind: 'state';
  /** State that the job has entered. */
  state: JobState;
}

/** Emitted when a result is stored. */
export interface ArtifactEvent {
  /** Discriminates events. */
  kind: 'artifact';
  /** Name of the result's file or folder. */
  name: string;
  /** True if an earlier attempt stored the result and this one reused it. */
  kept: boolean;
}

/** JSON results of a job. */
export interface JobResult {
  /** heads.json. */
  heads: HeadReport;
  /** scores.json. Present for a strategy that needs gradients. */
  scores?: HeadScores;
  /** mask.json. */
  mask: Mask;
  /** metrics.json. */
  metrics: TrainMetrics;
}

/** Work of each stage of a job. `hifi run` passes engines, a server passes clients of services. */
export interface JobStages<Rows = DataSource> {
  analyze(spec: JobSpec<Rows>, signal: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport>;
  /** Used by strategies that need gradients; scores as many sequences as the analysis measured. */
  score(spec: JobSpec<Rows>, heads: HeadReport, signal: AbortSignal): AsyncGenerator<ScoreEvent, HeadScores>;
  select(measured: SelectionInput | ScoredHeads, options: SelectionOptions): Mask;
  /** Stores the delta beside the results. Resumes from its own checkpoint, if there is one. */
  train(spec: JobSpec<Rows>, mask: Mask, signal: AbortSignal): AsyncGenerator<TrainEvent, TrainMetrics>;
  /** Writes an export; evaluates the files of an ONNX folder on the dev rows. */
  export(spec: JobSpec<Rows>, format: ExportFormat, signal: AbortSignal): Promise<ExportResult>;
  /** Writes report.html and its charts. */
  report(
    spec: JobSpec<Rows>,
    result: Partial<JobResult> & Pick<JobResult, 'heads'>,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Storage of a job's results, including those of earlier attempts at the same job. */
export interface JobPlace {
  /** Reads a result if it is whole and comes from the same input and options. */
  stored<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined>;
  /** True if an earlier attempt made this export from the stored results. */
  storedExport(format: ExportFormat): Promise<boolean>;
  /** Invalidates a result and all that depend on it: the job is about to repeat it. */
  invalidate(from: ResultName | ExportFormat): Promise<void>;
  /** Records that an export of the stored results is complete. */
  exported(format: ExportFormat): Promise<void>;
  write<N extends ResultName>(name: N, content: ResultFiles[N]): Promise<void>;
}

/**
 * Drives a job along its path: analyze, select, train, evaluate, export. Reuses stored results.
 * Knows nothing about files, processes or networks.
 *
 * @throws HifiError the stage's error, after the event FAILED or CANCELLED; CANCELLED between two
 *   stages if `signal` aborts
 */
export async function* runJob<Rows>(
  spec: JobSpec<Rows>,
  stages: JobStages<Rows>,
  place: JobPlace,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, JobResult> {
  return yield* withEndState(signal, async function* (enter) {
    const heads = yield* analysis(spec, stages, place, enter, signal);

    const warned = new Set<string>(); // both stages warn of the same rows
    yield enter('SELECTING');
    let scores: HeadScores | undefined;
    if (isScoreStrategy(spec.selection.strategy, spec.selection.tune)) {
      const storedScores = await storedOrInvalidated(place, 'scores.json');
      scores = storedScores ?? (yield* jobEvents(stages.score(spec, heads, signal), warned));
      yield await put(place, 'scores.json', scores, storedScores);
    }
    const storedMask = await storedOrInvalidated(place, 'mask.json');
    const mask = storedMask ?? stages.select(scores ?? heads, spec.selection);
    yield await put(place, 'mask.json', mask, storedMask);

    yield enter('TRAINING');
    const storedMetrics = await storedOrInvalidated(place, 'metrics.json');
    let metrics = storedMetrics ?? (yield* jobEvents(stages.train(spec, mask, signal), warned));
    yield { kind: 'artifact', name: 'delta', kept: storedMetrics !== undefined };

    yield enter('EVALUATING');
    yield await put(place, 'metrics.json', metrics, storedMetrics);

    yield enter('EXPORTING');
    for (const format of spec.exports) {
      const kept = storedMetrics !== undefined && (await place.storedExport(format));
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
  return yield* withEndState(signal, async function* (enter) {
    const heads = yield* analysis(spec, stages, place, enter, signal);
    await stages.report(spec, { heads }, signal);
    yield { kind: 'artifact', name: 'report.html', kept: false };
    return heads;
  });
}

type Enter = (state: JobState) => JobEvent;

/** Emits QUEUED, the events of `path`, and SUCCEEDED; after an error FAILED or CANCELLED. */
async function* withEndState<Result>(
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
  const stored = await storedOrInvalidated(place, 'heads.json');
  const heads = stored ?? (yield* jobEvents(stages.analyze(spec, signal)));
  yield await put(place, 'heads.json', heads, stored);
  return heads;
}

/** Reads a result of an earlier attempt. If there is none, invalidates all that depend on it. */
async function storedOrInvalidated<N extends ResultName>(
  place: JobPlace,
  name: N,
): Promise<ResultFiles[N] | undefined> {
  const stored = await place.stored(name);
  if (stored === undefined) await place.invalidate(name);
  return stored;
}

async function put<N extends ResultName>(
  place: JobPlace,
  name: N,
  content: ResultFiles[N],
  stored: ResultFiles[N] | undefined,
): Promise<JobEvent> {
  if (stored === undefined) await place.write(name, content);
  return { kind: 'artifact', name, kept: stored !== undefined };
}

/** Events of an engine without its intervals and without warnings in `warned`. */
const jobEvents = <Result>(events: AsyncGenerator<JobEvent | WorkInterval, Result>, warned = new Set<string>()) =>
  filtered(events, (event): event is JobEvent => {
    if (event.kind === 'interval' || (event.kind === 'warning' && warned.has(event.message))) return false;
    if (event.kind === 'warning') warned.add(event.message);
    return true;
  });
