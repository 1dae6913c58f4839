import type { DataSource } from '../data/dataset';
import { PARAMETER_BYTES } from '../delta/onnx-folder';
import type { ScoreOptions } from '../delta/score-options';
import type { TrainingCost } from '../delta/training-cost';
import { cancelled } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import type { AnalysisCost } from '../heads/analysis-cost';
import { type JobSpec, scoringOf } from './job';

/** What a job would come to. */
export interface JobEstimate {
  /** Heads that would be tuned; with the other three, known without an analysis. */
  heads: number;
  /** Tuned numbers of the base, without the task head. */
  trainableParameters: number;
  /** Numbers of the task head, all of them trained. */
  taskHeadParameters: number;
  /** The base with its pooler, without a task head's other weights. */
  totalParameters: number;
  /** trainableParameters / totalParameters, 0 … 1. */
  share: number;
  /** Of the delta's two files, known but for the digits of the heads' scores. */
  deltaBytes: number;
  /** Highest resident memory of the process tree, in bytes. */
  peakMemoryBytes: number;
  /** Wall times. */
  seconds: {
    /** Of the analysis. */
    analysis: number;
    /** Of the scores, for a strategy that needs gradients. */
    scoring?: number;
    /** Preparation and all epochs' steps. */
    training: number;
    /** All epochs' dev rows. */
    evaluation: number;
    /** Of the folders beside the delta. */
    export: number;
    /** Of all of these. */
    total: number;
  };
  /** Training steps in all. */
  steps: number;
  /** How many rows there are. */
  rows: {
    /** Trained on. */
    train: number;
    /** Judged by, each epoch. */
    dev: number;
  };
}

/** Bytes per second at which a checkpoint is merged and written, with its hash: measured with MiniLM (91 MB in 0.5 s). */
const EXPORT_BYTES_PER_SECOND = 180e6;

/** Measurements of a job's work, made by engines of this machine or by services. */
export interface Calibrations<Rows = DataSource> {
  analysis(spec: JobSpec<Rows>, signal: AbortSignal): AsyncGenerator<StageProgress, AnalysisCost>;
  /** Measures the training, and for a strategy that needs gradients the scoring. */
  training(spec: JobSpec<Rows>, signal: AbortSignal): AsyncGenerator<StageProgress, TrainingCost>;
}

/** Returns the settings of a job's scoring, with `samples` `auto` the most that it may draw. */
export function scoringToMeasure(spec: Pick<JobSpec<unknown>, 'analysis' | 'training'>): ScoreOptions {
  const { samples, maxSamples } = spec.analysis;
  return { samples: samples === 'auto' ? maxSamples : samples, ...scoringOf(spec) };
}

/**
 * Estimates a job from the costs that `calibrations` measures. Writes nothing and starts no job.
 *
 * @throws HifiError as the job would for bad input; CANCELLED by `signal`
 */
export async function* estimate<Rows>(
  spec: JobSpec<Rows>,
  calibrations: Calibrations<Rows>,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<StageProgress, JobEstimate> {
  const analysis = yield* calibrations.analysis(spec, signal);
  if (signal.aborted) throw cancelled();
  return estimateOf(spec, analysis, yield* calibrations.training(spec, signal));
}

/** Computes a job's estimate from measured costs. */
export function estimateOf(
  { training: { epochs }, exports, onnxDtypes }: Pick<JobSpec<unknown>, 'training' | 'exports' | 'onnxDtypes'>,
  analysis: AnalysisCost,
  training: TrainingCost,
): JobEstimate {
  const { deltaBytes, rows, steps, seconds, peakBytes, ...parameters } = training;
  const onnx = exports.includes('onnx') ? onnxDtypes : [];
  const others = exports.filter((format) => format !== 'onnx').length;
  const parameterBytes = onnx.reduce((bytes, dtype) => bytes + PARAMETER_BYTES[dtype], 4 * others);
  const times = {
    analysis: analysis.seconds,
    ...(seconds.scoring !== undefined && { scoring: seconds.scoring }),
    training: seconds.preparation + seconds.steps,
    evaluation: seconds.evaluation,
    // Each ONNX file is evaluated on the dev rows, as an epoch is.
    export:
      (parameterBytes * parameters.totalParameters) / EXPORT_BYTES_PER_SECOND +
      (onnx.length * seconds.evaluation) / epochs,
  };
  return {
    ...parameters,
    share: parameters.trainableParameters / parameters.totalParameters,
    deltaBytes,
    peakMemoryBytes: Math.max(analysis.peakBytes, peakBytes),
    seconds: { ...times, total: Object.values(times).reduce((sum, each) => sum + each) },
    steps,
    rows,
  };
}
