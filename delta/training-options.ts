import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import type { Device } from '../foundation/device';
import { invalidInput, invalidPart } from '../foundation/errors';
import type { StageProgress, WarningEvent, WorkInterval } from '../foundation/progress';
import type { Artifact } from '../foundation/stored-file';
import type { Mask } from '../heads/mask';
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

const wholeFrom = (lowest: number) =>
  z.int(`must be a whole number from ${lowest}`).min(lowest, `must be at least ${lowest}`);

const schema = z.strictObject({
  epochs: wholeFrom(1),
  batchSize: wholeFrom(1),
  lr: z.number('must be a number above 0').gt(0, 'must be above 0'),
  warmup: z.number('must be a number from 0 to 1').min(0, 'must be at least 0').max(1, 'must be at most 1'),
  weightDecay: z.number('must be a number from 0').min(0, 'must be at least 0'),
  maxLength: wholeFrom(1),
  earlyStopping: wholeFrom(1).optional(),
  seed: wholeFrom(0).max(2 ** 32 - 1, 'must be below 2^32'),
  device: z.enum(['auto', 'cpu', 'cuda'], 'must be auto, cpu or cuda'),
  threads: wholeFrom(1).max(1024, 'must be at most 1024').optional(),
});

/**
 * Fills in what was not given and checks the rest.
 *
 * @param said what a message calls an option
 * @throws HifiError INVALID_INPUT naming the option, its value and what would be right; `field` is the option.
 */
export function trainOptions(
  given: Partial<TrainOptions>,
  said: (option: string) => string = (option) => `training option ${option}`,
): TrainOptions {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = { ...TRAIN_DEFAULTS, ...known };
  const { error } = schema.safeParse(options);
  if (!error) return options;
  const [issue] = error.issues;
  if (issue.code === 'unrecognized_keys') throw invalidInput(`the training has no option "${issue.keys[0]}"`);
  const name = issue.path.join('.') as keyof TrainOptions;
  const value = typeof options[name] === 'number' ? String(options[name]) : JSON.stringify(options[name]);
  throw invalidPart(name, `${said(name)} is ${value}; it ${issue.message}`);
}

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
