import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import { invalidInput, invalidPart } from '../foundation/errors';
import type { StageProgress, WarningEvent } from '../foundation/progress';
import type { ScoreStrategy } from '../heads/scores';
import { TRAIN_DEFAULTS, type TrainOptions } from './training-options';

/** Options of scoring heads by gradients (docs/method.md). */
export interface ScoreOptions extends Pick<TrainOptions, 'maxLength' | 'seed' | 'device' | 'threads'> {
  /** Number of sequences to draw, ≥ 1; all if there are fewer. */
  samples: number;
}

const { maxLength, seed, device } = TRAIN_DEFAULTS;
/** Default options: 300 sequences of at most 128 tokens. */
export const SCORE_DEFAULTS: ScoreOptions = { samples: 300, maxLength, seed, device };

const wholeFrom1 = z.int('must be a whole number from 1').min(1, 'must be a whole number from 1');
const schema = z.strictObject({
  samples: wholeFrom1,
  maxLength: wholeFrom1,
  seed: z
    .int('must be a whole number from 0')
    .min(0, 'must be at least 0')
    .max(2 ** 32 - 1, 'must be below 2^32'),
  device: z.enum(['auto', 'cpu', 'cuda'], 'must be auto, cpu or cuda'),
  threads: wholeFrom1.max(1024, 'must be at most 1024').optional(),
});

/**
 * Fills in defaults and checks all options.
 *
 * @param label returns the name of an option in messages
 * @throws HifiError INVALID_INPUT with the option, its value and what would be right; `field` is
 *   the option
 */
export function scoreOptions(
  given: Partial<ScoreOptions>,
  label: (option: string) => string = (option) => `scoring option ${option}`,
): ScoreOptions {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = { ...SCORE_DEFAULTS, ...known };
  const { error } = schema.safeParse(options);
  if (!error) return options;
  const [issue] = error.issues;
  if (issue.code === 'unrecognized_keys') throw invalidInput(`scoring has no option "${issue.keys[0]}"`);
  const name = issue.path.join('.') as keyof ScoreOptions;
  throw invalidPart(name, `${label(name)} is ${JSON.stringify(options[name])}; it ${issue.message}`);
}

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
