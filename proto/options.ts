import { create, type Message } from '@bufbuild/protobuf';
import { z } from 'zod';
import { checkInference, type InferenceOptions } from '../delta/inference-options';
import { type ScoreOptions, scoreOptions } from '../delta/score-options';
import { TRAIN_DEFAULTS, type TrainOptions, trainOptions } from '../delta/training-options';
import { HifiError, invalidPart } from '../foundation/errors';
import { type AnalysisOptions, analysisOptions } from '../heads/analysis-options';
import type { ReportOptions } from '../heads/head-report';
import { STRATEGIES } from '../heads/mask';
import { SELECTION_DEFAULTS, type SelectionOptions } from '../heads/select';
import {
  type AnalysisOptions as AnalysisMessage,
  AnalysisOptionsSchema,
  type InferenceOptions as InferenceMessage,
  InferenceOptionsSchema,
  type SelectionOptions as SelectionMessage,
  SelectionOptionsSchema,
  type TrainingOptions as TrainingMessage,
  TrainingOptionsSchema,
} from './gen/hifi/v1/options_pb';
import { type ScoreOptions as ScoreMessage, ScoreOptionsSchema } from './gen/hifi/v1/trainer_pb';

/**
 * Options of an analysis with their defaults filled in, checked.
 *
 * @param field where the request has them: errors name `options.max_length`
 * @throws HifiError INVALID_INPUT naming the option, its value and what would be right
 */
export function analysisOptionsOf(message: AnalysisMessage | undefined, field = 'options'): AnalysisOptions {
  const { autoSamples, samples, ...given } = fieldsOf(message);
  if (autoSamples && samples !== undefined) {
    const name = `${field}.auto_samples`;
    throw invalidPart(name, `${name} is true and ${field}.samples is ${samples}; give one of them`);
  }
  const chosen = { ...given, samples: autoSamples ? 'auto' : samples } as Partial<AnalysisOptions>;
  return named(field, (said) => analysisOptions(chosen, said));
}

export function analysisMessage({ samples, ...options }: AnalysisOptions | ReportOptions): AnalysisMessage {
  const drawn = samples === 'auto' ? { autoSamples: true } : { samples, autoSamples: false };
  return create(AnalysisOptionsSchema, { ...drawn, ...options });
}

/** Options of a training with their defaults filled in, checked. @throws HifiError as {@link analysisOptionsOf} */
export function trainingOptionsOf(message: TrainingMessage | undefined, field = 'options'): TrainOptions {
  return named(field, (said) => trainOptions(fieldsOf(message) as Partial<TrainOptions>, said));
}

export const trainingMessage = (options: TrainOptions): TrainingMessage =>
  create(TrainingOptionsSchema, { ...options });

/** Options of a scoring with their defaults filled in, checked. @throws HifiError as {@link analysisOptionsOf} */
export function scoreOptionsOf(message: ScoreMessage | undefined, field = 'options'): ScoreOptions {
  return named(field, (said) => scoreOptions(fieldsOf(message) as Partial<ScoreOptions>, said));
}

export const scoreMessage = (options: Omit<ScoreOptions, 'device'> & Partial<ScoreOptions>): ScoreMessage =>
  create(ScoreOptionsSchema, { ...options });

/**
 * Options of how a tuned model is asked with their defaults filled in, checked.
 *
 * @param maxLength the default: what the model was trained with, where that is known
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function inferenceOptionsOf(
  message: InferenceMessage | undefined,
  maxLength: number = TRAIN_DEFAULTS.maxLength,
  field = 'options',
): InferenceOptions {
  const { batchSize, device } = TRAIN_DEFAULTS;
  const options = { batchSize, maxLength, device, ...fieldsOf(message) } as InferenceOptions;
  named(field, (said) => checkInference(options, said));
  return options;
}

export const inferenceMessage = (options: InferenceOptions): InferenceMessage =>
  create(InferenceOptionsSchema, { ...options });

const SHARE = 'must be a number above 0, at most 1';
const selectionSchema = z.object({
  strategy: z.enum(STRATEGIES, `must be one of ${STRATEGIES.join(', ')}`),
  k: z.int('must be a whole number from 1').min(1, 'must be a whole number from 1').optional(),
  budget: z.number(SHARE).gt(0, SHARE).max(1, SHARE).optional(),
  tune: z.enum(['qkv', 'qkvo'], 'must be qkv or qkvo'),
  correlation: z.enum(['pearson', 'covariance'], 'must be pearson or covariance'),
  teleport: z.enum(['richness', 'uniform'], 'must be richness or uniform'),
  damping: z.number('must be a number between 0 and 1').gt(0, 'must be above 0').lt(1, 'must be below 1'),
  scope: z.enum(['layer', 'model'], 'must be layer or model'),
});

/**
 * Options of a selection with their defaults filled in, checked as far as can be without the model: `headsToChoose` does the
 * rest.
 *
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function selectionOptionsOf(message: SelectionMessage | undefined, field = 'selection'): SelectionOptions {
  const given = fieldsOf(message);
  if (given.k !== undefined && given.budget !== undefined) {
    const name = `${field}.budget`;
    throw invalidPart(name, `${name} is ${given.budget} and ${field}.k is ${given.k}; give one of them`);
  }
  const { k, ...defaults } = SELECTION_DEFAULTS;
  const size = given.budget === undefined ? { k } : {};
  const options = { ...defaults, ...size, ...given } as SelectionOptions;
  const { error } = selectionSchema.safeParse(options);
  if (!error) return options;
  const [issue] = error.issues;
  const option = issue.path[0] as keyof SelectionOptions;
  const name = `${field}.${snakeCase(option)}`;
  throw invalidPart(name, `${name} is ${JSON.stringify(options[option])}; it ${issue.message}`);
}

export const selectionMessage = (options: SelectionOptions): SelectionMessage =>
  create(SelectionOptionsSchema, { ...options });

/** What a message holds: the fields that are set. */
function fieldsOf<M extends Message>(message: M | undefined): Partial<Omit<M, '$typeName' | '$unknown'>> {
  if (message === undefined) return {};
  const { $typeName: _type, $unknown: _unknown, ...fields } = message;
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<M>;
}

/** Lets a check speak of options as the request names them, in its message and as the error's field. */
function named<T>(field: string, check: (said: (option: string) => string) => T): T {
  try {
    return check((option) => `${field}.${snakeCase(option)}`);
  } catch (thrown) {
    const error = HifiError.from(thrown);
    error.field = error.field === undefined ? field : `${field}.${snakeCase(error.field)}`;
    throw error;
  }
}

/** A name as the contract writes it: `maxLength` → `max_length`. */
const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
