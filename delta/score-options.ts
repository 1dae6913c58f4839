import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import type { StageProgress, WarningEvent } from '../foundation/progress';
import { optionsCheck, seedRule, TENSORFLOW_RULES, tuneRule, wholeFrom1 } from '../heads/options';
import type { ScoreStrategy } from '../heads/scores';
import { SELECTION_DEFAULTS } from '../heads/select';
import type { Tune } from '../heads/tune';
import { TRAIN_DEFAULTS, type TrainOptions } from './training-options';

/** Options of scoring heads by gradients (docs/method.md). */
export interface ScoreOptions extends Pick<TrainOptions, 'maxLength' | 'seed' | 'device' | 'threads' | 'precision'> {
  /** Number of sequences to draw, ≥ 1; all if there are fewer. */
  samples: number;
  /** Matrices whose training is scored, for strategies that depend on them. */
  tune: Tune;
}

const { maxLength, seed, device } = TRAIN_DEFAULTS;
/** Default options: 300 sequences of at most 128 tokens. */
export const SCORE_DEFAULTS: ScoreOptions = { samples: 300, tune: SELECTION_DEFAULTS.tune, maxLength, seed, device };

const schema = z.strictObject({
  samples: wholeFrom1,
  tune: tuneRule,
  maxLength: wholeFrom1,
  seed: seedRule,
  ...TENSORFLOW_RULES,
});

/** Fills in defaults and checks the rest; see {@link optionsCheck}. */
export const scoreOptions = optionsCheck<ScoreOptions>('scoring', schema, SCORE_DEFAULTS);

/** Request to score all heads. */
export interface ScoreRequest {
  /** Folder of the base model. */
  model: string;
  /** Name under which the model was requested. Default: the folder's last part. */
  modelName?: string;
  train: DataSource;
  strategy: ScoreStrategy;
  options: Partial<ScoreOptions>;
}

export type ScoreEvent = StageProgress | WarningEvent;
