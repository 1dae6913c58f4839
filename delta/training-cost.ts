import type { DataSource } from '../data/dataset';
import type { SelectionOptions } from '../heads/select';
import type { ScoreOptions } from './score-options';
import type { TrainOptions } from './training-options';

/** Request for the cost of a training. */
export interface CalibrateRequest {
  /** Folder of the base model. */
  model: string;
  train: DataSource;
  /** Default: a seeded tenth of `train` is held out. */
  dev?: DataSource;
  /** Selection of the heads. Their number counts; which they are does not. */
  selection: SelectionOptions;
  options: TrainOptions;
  /** Scoring, for a strategy that needs gradients. */
  scoring: Partial<ScoreOptions>;
}

/** Cost of a training, measured on a few of its steps. */
export interface TrainingCost {
  /** Heads that are tuned. */
  heads: number;
  /** Tuned parameters of the base, without the task head. */
  trainableParameters: number;
  /** Parameters of the task head, all of them trained. */
  taskHeadParameters: number;
  /** Parameters of the base with its pooler, without a task head's other weights. */
  totalParameters: number;
  /** Size of the delta's two files, exact but for the digits of the heads' scores. */
  deltaBytes: number;
  /** Rows to train on, and rows that each epoch is evaluated on. */
  rows: { train: number; dev: number };
  /** Training steps in all. */
  steps: number;
  /** Wall times. */
  seconds: {
    /** Scores of the heads; absent for a strategy that needs no gradients. */
    scoring?: number;
    /**
     * Start of the process, reading, tokenizing, loading, frozen layers' pass over all rows, range
     * test of the learning rate.
     */
    preparation: number;
    /** Steps of all epochs. */
    steps: number;
    /** Evaluation on the dev rows, in all epochs. */
    evaluation: number;
  };
  /** Highest resident memory of the processes in which it runs, in bytes. */
  peakBytes: number;
}
