import type { DataSource } from '../data/dataset';
import { PARAMETER_BYTES } from '../delta/onnx-folder';
import type { ScoreOptions } from '../delta/score-options';
import type { TrainingCost } from '../delta/training-cost';
import { cancelled } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import type { AnalysisCost } from '../heads/analysis-cost';
import { type JobSpec, type ScoringSpec, scoringOf } from './job';

/** Estimated sizes, memory and seconds of a job. */
export interface JobEstimate {
  /** Tuned heads. Like the other three counts, known without an analysis. */
  heads: number;
  /** Trainable parameters of the base, without the task head. */
  trainableParameters: number;
  /** Parameters of the task head; all of them are trained. */
  taskHeadParameters: number;
  /** Parameters of the base with its pooler, without a task head's other weights. */
  totalParameters: number;
  /** trainableParameters / totalParameters, 0 … 1. */
  share: number;
  /** Size of the delta's two files. Exact except for the digits of the heads' scores. */
  deltaBytes: number;
  /** Highest resident memory of the process tree, in bytes. */
  peakMemoryBytes: number;
  /** Wall times. */
  seconds: {
    /** The analysis. */
    analysis: number;
    /** Gradient scores, for a strategy that needs them. */
    scoring?: number;
    /** Preparation and the steps of all epochs. */
    training: number;
    /** The dev rows of all epochs. */
    evaluation: number;
    /** The exported folders. */
    export: number;
    /** Sum of the others. */
    total: number;
  };
  /** Training steps of all epochs. */
  steps: number;
  /** Numbers of rows. */
  rows: {
    /** Rows for training. */
    train: number;
    /** Rows for the evaluation of each epoch. */
    dev: number;
  };
}

/**
 * Bytes per second at which a checkpoint is merged, hashed and written. Measured with MiniLM: 91 MB
 * in 0.5 s.
 */
const EXPORT_BYTES_PER_SECOND = 180e6;

/** Measurements of a job's work, by engines of this machine or by services. */
export interface Calibrations<Rows = DataSource> {
  analysis(spec: JobSpec<Rows>, signal: AbortSignal): AsyncGenerator<StageProgress, AnalysisCost>;
  /** Measures the training, and for a strategy that needs gradients the scoring. */
  training(spec: JobSpec<Rows>, signal: AbortSignal): AsyncGenerator<StageProgress, TrainingCost>;
}

/** Settings of a job's scoring; with `samples` `auto`, the most sequences that it may draw. */
export function scoringToMeasure(spec: ScoringSpec): ScoreOptions {
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
    // Each ONNX file is evaluated on the dev rows, like an epoch.
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
