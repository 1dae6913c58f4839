import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import type { LongTexts } from '../data/word-windows';
import type { Device } from '../foundation/device';
import type { Precision } from '../foundation/precision';
import type { StageProgress, WarningEvent, WorkInterval } from '../foundation/progress';
import type { Artifact } from '../foundation/stored-file';
import type { Mask } from '../heads/mask';
import { numberIn, optionsCheck, seedRule, TENSORFLOW_RULES, wholeFrom1 } from '../heads/options';
import type { ErrorAnalysis } from './error-analysis';
import { WINDOW_RULES } from './inference-options';
import type { OnnxModel } from './onnx-folder';
import type { FurtherTuning } from './tuning';

/** Options of tuning the chosen heads (docs/method.md). */
export interface TrainOptions {
  /** Number of passes over the training rows, ≥ 1. */
  epochs: number;
  /**
   * Number of rows per step, ≥ 1. Memory does not grow with it: gradients accumulate over parts of
   * a batch.
   */
  batchSize: number;
  /** Peak learning rate, > 0; `auto` chooses it by a range test on the training rows. */
  lr: number | 'auto';
  /** Share of the steps over which the learning rate rises, 0 … 1. */
  warmup: number;
  /** Decoupled weight decay, ≥ 0, of matrices but not of biases or norms. */
  weightDecay: number;
  /** Number of tokens to which a row is truncated, special tokens included. */
  maxLength: number;
  /** Number of epochs without a better dev metric after which the training stops. Default: off. */
  earlyStopping?: number;
  /**
   * Weights of the labels in the loss: `balanced`, or a number > 0 by label, 1 for the others. A
   * class's rows have its weight; with several labels per row, a label's positive cells have it.
   * Default: 1 each.
   */
  classWeights?: 'balanced' | Record<string, number>;
  /** Share of each target that is spread over the labels evenly, 0 … 1. Default: 0. */
  labelSmoothing?: number;
  /**
   * Probability from which a label is predicted, 0 … 1, with several labels per row. Default: for
   * each label the one of best F1 on the dev rows.
   */
  threshold?: number;
  /**
   * Treatment of long dev rows, and of long rows at prediction: `cut` at `maxLength`, or `windows`
   * that overlap. Long training rows are cut. Default: `cut`.
   */
  longTexts?: LongTexts;
  /** Number of tokens that neighbouring windows share, ≥ 0. Default: 64. */
  stride?: number;
  /** True to leave the worst rows' texts out of metrics.json and the report. Default: false. */
  omitTexts?: boolean;
  /** Seed for shuffling, dropout and initial weights, an integer 0 … 2³²−1. */
  seed: number;
  /** Device of the computation. */
  device: Device;
  /** Number of cores that the engine may use. Default: all. */
  threads?: number;
  /** Arithmetic of the matrix products. Default: `float32`. */
  precision?: Precision;
}

/**
 * Default options: five epochs of 32 rows per step, learning rate 1e-3 after a warm-up over 6 % of
 * the steps, 128 tokens per row.
 */
export const TRAIN_DEFAULTS: TrainOptions & {
  /** Peak learning rate. */
  lr: number;
} = {
  epochs: 5,
  batchSize: 32,
  lr: 1e-3,
  warmup: 0.06,
  weightDecay: 0,
  maxLength: 128,
  seed: 0,
  device: 'auto',
};

const share = numberIn('from 0 to 1', (value) => value >= 0 && value <= 1);
const WEIGHTS = '"balanced", or a number above 0 by label';
const isWeight = (value: unknown) => typeof value === 'number' && value > 0 && Number.isFinite(value);
const areWeights = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isWeight);

const LR = 'a number above 0, or auto';

const schema = z.strictObject({
  epochs: wholeFrom1,
  batchSize: wholeFrom1,
  lr: z.union([z.literal('auto'), numberIn(LR, (lr) => lr > 0 && Number.isFinite(lr))], LR),
  warmup: share,
  weightDecay: numberIn('at least 0', (decay) => decay >= 0),
  maxLength: wholeFrom1,
  earlyStopping: wholeFrom1.optional(),
  classWeights: z.custom((value) => value === 'balanced' || areWeights(value), WEIGHTS).optional(),
  labelSmoothing: share.optional(),
  threshold: share.optional(),
  ...WINDOW_RULES,
  omitTexts: z.boolean('true or false').optional(),
  seed: seedRule,
  ...TENSORFLOW_RULES,
});

/** Fills in defaults and checks the rest; see {@link optionsCheck}. */
export const trainOptions = optionsCheck<TrainOptions>('training', schema, TRAIN_DEFAULTS);

/** Request of one training run. */
export interface TrainRequest {
  /** Folder of the base model. */
  model: string;
  /** Name under which the model was requested. Default: the folder's last part. */
  modelName?: string;
  train: DataSource;
  /** Rows on which epochs are evaluated. Default: the hold-out split, a seeded tenth of `train`. */
  dev?: DataSource;
  mask: Mask;
  /** Tuning beside the mask's heads. Default: none. */
  further?: FurtherTuning;
  options: TrainOptions;
  /** Folder that receives `delta/` and, until the caller clears it, `state/`. */
  out: string;
  /** Folder that caches outputs of the frozen layers for other trainings on the same rows. */
  prefixes?: string;
  /** True to resume from the checkpoint of this run in `state/`, if there is one. */
  resume: boolean;
}

/** Result of one epoch, as in metrics.json. */
export interface EpochMetrics {
  /** Number of the epoch, from 1. */
  epoch: number;
  /** Mean loss over the epoch's rows. */
  trainLoss: number;
  /** Metrics on the dev rows, with `loss`. */
  dev: Record<string, number>;
  /**
   * Probability from which each label is predicted, in the order of the class numbers; absent
   * unless a row may have several labels. // [C]
   */
  thresholds?: number[];
  /** Wall time in seconds of the training alone, without evaluation. */
  seconds: number;
}

/**
 * Event of a running training. A resumed run first repeats the events of the epochs that it has
 * evaluated. Its intervals: `load`, `prefix` and one `evaluate` per epoch (attribute `epoch`).
 */
export type TrainEvent = StageProgress | WarningEvent | WorkInterval | RateEvent | EpochEvent | CheckpointEvent;

/** Learning rate that `lr: 'auto'` chose, and the range test that chose it. */
export interface RateChoice {
  /** Peak learning rate of the training. A training with this `lr` has the same delta. */
  lr: number;
  /** Reason for the choice, one line. */
  reason: string;
  /** Steps of the range test in order, none if there are too few rows for it. */
  tried: TriedRate[];
  /** Number of rows that the test read, those of forward passes alone included. */
  rows: number;
  /** Wall time of the test in seconds. */
  seconds: number;
}

/** Step of a range test. */
export interface TriedRate {
  /** Learning rate of the step. */
  lr: number;
  /** Mean loss on the test's own rows after the step; null if it is no finite number. */
  loss: number | null;
}

/** Event of a learning rate that `lr: 'auto'` chose. */
export interface RateEvent {
  /** Kind of event. */
  kind: 'rate';
  /** Choice and its reason. */
  rate: RateChoice;
}

/** Event of an epoch that was evaluated. */
export interface EpochEvent {
  /** Kind of event. */
  kind: 'epoch';
  /** Result of the epoch. */
  epoch: EpochMetrics;
}

/** Event of a saved checkpoint, from which `resume` continues after an interruption. */
export interface CheckpointEvent {
  /** Kind of event. */
  kind: 'checkpoint';
  /** Number of steps done since the first epoch. */
  step: number;
}

/** Content of metrics.json. */
export interface TrainMetrics {
  /** GLUE task of the metrics; null for other rows. */
  task: string | null;
  /** Name of the dev metric that decides the best epoch. */
  metric: string;
  /** Epoch of the delta. */
  best: {
    /**
     * Best epoch, from 1; the first of equals. If the metric is undefined on the dev rows, the one
     * with the lowest dev loss.
     */
    epoch: number;
    /** Dev metric of that epoch. */
    value: number;
  };
  /** Step from which the run was resumed; null if it was not. */
  resumedFromStep: number | null;
  /** All epochs, in order. */
  epochs: EpochMetrics[];
  /** Number of the base's trainable parameters, without the task head. */
  trainableParameters: number;
  /** Number of the task head's parameters, all of them trained. */
  taskHeadParameters: number;
  /** Highest resident memory of the process tree, in bytes. */
  peakRssBytes: number;
  /** Seed for shuffling, dropout and initial weights. */
  seed: number;
  /** Device of the computation. */
  deviceUsed: 'cpu' | 'cuda';
  /** Arithmetic of the matrix products; absent for float32. */
  precision?: 'bf16';
  /** Errors of the best epoch on the dev rows. */
  errorAnalysis?: ErrorAnalysis;
  /** Choice of the learning rate; absent if it was given. */
  learningRate?: RateChoice;
  /** Number of dev rows with the texts of a training row; absent if there are none. */
  devDuplicates?: number;
  /** Files of the ONNX folder, once a job has exported one. */
  onnx?: OnnxModel[];
}

/** Result of a finished training: its metrics and the files of its delta. */
export interface TrainingOutcome {
  metrics: TrainMetrics;
  artifacts: Artifact[];
}
