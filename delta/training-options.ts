import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import type { Device } from '../foundation/device';
import type { StageProgress, WarningEvent, WorkInterval } from '../foundation/progress';
import type { Artifact } from '../foundation/stored-file';
import type { Mask } from '../heads/mask';
import { ENGINE_RULES, numberIn, optionsCheck, seedRule, wholeFrom1 } from '../heads/options';
import type { OnnxModel } from './onnx-folder';

/** How the chosen heads are tuned (docs/method.md). */
export interface TrainOptions {
  /** Passes over the training rows, ≥ 1. */
  epochs: number;
  /** Rows a step, ≥ 1. */
  batchSize: number;
  /** Peak learning rate, > 0. */
  lr: number;
  /** Share of the steps over which the learning rate rises, 0 … 1. */
  warmup: number;
  /** Decoupled weight decay, ≥ 0, on matrices and not on biases or norms. */
  weightDecay: number;
  /** Tokens a row is cut at, special tokens counted. */
  maxLength: number;
  /** Stop after that many epochs without a better dev metric; off when absent. */
  earlyStopping?: number;
  /** Seed of shuffle, dropout and new weights, an integer 0 … 2³²−1. */
  seed: number;
  /** Where it computes. */
  device: Device;
  /** Cores the engine may use; all when absent. */
  threads?: number;
}

/** Five epochs, 32 rows a step, a learning rate of 1e-3 after a warm-up of 6 % of the steps, rows cut at 128 tokens. */
export const TRAIN_DEFAULTS: TrainOptions = {
  epochs: 5,
  batchSize: 32,
  lr: 1e-3,
  warmup: 0.06,
  weightDecay: 0,
  maxLength: 128,
  seed: 0,
  device: 'auto',
};

const schema = z.strictObject({
  epochs: wholeFrom1,
  batchSize: wholeFrom1,
  lr: numberIn('above 0', (lr) => lr > 0),
  warmup: numberIn('from 0 to 1', (share) => share >= 0 && share <= 1),
  weightDecay: numberIn('at least 0', (decay) => decay >= 0),
  maxLength: wholeFrom1,
  earlyStopping: wholeFrom1.optional(),
  seed: seedRule,
  ...ENGINE_RULES,
});

/** Fills in defaults and checks the rest; see {@link optionsCheck}. */
export const trainOptions = optionsCheck<TrainOptions>('training', schema, TRAIN_DEFAULTS);

/** One training run. */
export interface TrainRequest {
  /** Folder of the base model. */
  model: string;
  /** The name the model was asked for by; the folder's last part when absent. */
  modelName?: string;
  train: DataSource;
  /** Rows the epochs are judged on; a seeded tenth of `train` is held out when absent. */
  dev?: DataSource;
  mask: Mask;
  options: TrainOptions;
  /** Folder that receives `delta/` and, until the caller clears it, `state/`. */
  out: string;
  /** Folder in which what the frozen layers put out is kept for other trainings on the same rows, and taken from. */
  prefixes?: string;
  /** Go on from `state/` where there is a checkpoint of this very run. */
  resume: boolean;
}

/** One epoch's outcome, as metrics.json holds it. */
export interface EpochMetrics {
  /** From 1. */
  epoch: number;
  /** Mean loss over the epoch's rows. */
  trainLoss: number;
  /** The task's metrics on the dev rows, with `loss`. */
  dev: Record<string, number>;
  /** Wall time of the training alone, without evaluation, in seconds. */
  seconds: number;
}

/**
 * What a training tells while it runs. A resumed one first tells again of the epochs that it has judged. Its intervals: `load`,
 * `prefix` and one `evaluate` an epoch (attribute `epoch`).
 */
export type TrainEvent = StageProgress | WarningEvent | WorkInterval | EpochEvent | CheckpointEvent;

/** An epoch has been judged. */
export interface EpochEvent {
  /** What event it is. */
  kind: 'epoch';
  /** How it went. */
  epoch: EpochMetrics;
}

/** The training was saved: with `resume` a cut after this loses nothing before it. */
export interface CheckpointEvent {
  /** What event it is. */
  kind: 'checkpoint';
  /** Steps done, from the first epoch on. */
  step: number;
}

/** metrics.json. */
export interface TrainMetrics {
  /** The GLUE task whose metrics these are; null for other rows. */
  task: string | null;
  /** The dev metric that decides the best epoch. */
  metric: string;
  /** The epoch that the delta is of. */
  best: {
    /**
     * Best epoch, from 1; the first of equals. If the metric is undefined on the dev rows, the one
     * with the lowest dev loss.
     */
    epoch: number;
    /** Its dev metric. */
    value: number;
  };
  /** The step the run went on from, null if it was not resumed. */
  resumedFromStep: number | null;
  /** Every epoch, in order. */
  epochs: EpochMetrics[];
  /** Tuned numbers of the base, without the task head. */
  trainableParameters: number;
  /** Numbers of the task head, all of them trained. */
  taskHeadParameters: number;
  /** Highest resident memory of the process tree, in bytes. */
  peakRssBytes: number;
  /** Of shuffle, dropout and new weights. */
  seed: number;
  /** Where it was computed. */
  deviceUsed: 'cpu' | 'cuda';
  /** Files of the ONNX folder, once a job has exported one. */
  onnx?: OnnxModel[];
}

/** Result of a finished training: its metrics and the files of its delta. */
export interface TrainingOutcome {
  metrics: TrainMetrics;
  artifacts: Artifact[];
}
