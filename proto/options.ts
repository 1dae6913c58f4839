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
 * Checks the options of an analysis, and fills in defaults.
 *
 * @param field field of the options in the request: errors name `options.max_length`
 * @throws HifiError INVALID_INPUT naming the option, its value and what would be right
 */
export function analysisOptionsOf(message: AnalysisMessage | undefined, field = 'options'): AnalysisOptions {
  const { autoSamples, samples, ...given } = fieldsOf(message);
  if (autoSamples && samples !== undefined) {
    const name = `${field}.auto_samples`;
    throw invalidPart(name, `${name} is true and ${field}.samples is ${samples}; give one of them`);
  }
  const chosen = { ...given, samples: autoSamples ? 'auto' : samples } as Partial<AnalysisOptions>;
  return named(field, (nameOf) => analysisOptions(chosen, nameOf));
}

export function analysisMessage({ samples, ...options }: AnalysisOptions | ReportOptions): AnalysisMessage {
  const drawn = samples === 'auto' ? { autoSamples: true } : { samples, autoSamples: false };
  return create(AnalysisOptionsSchema, { ...drawn, ...options });
}

/**
 * Checks the options of a training, and fills in defaults.
 *
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function trainingOptionsOf(message: TrainingMessage | undefined, field = 'options'): TrainOptions {
  return named(field, (nameOf) => trainOptions(fieldsOf(message) as Partial<TrainOptions>, nameOf));
}

export const trainingMessage = (options: TrainOptions): TrainingMessage =>
  create(TrainingOptionsSchema, { ...options });

/**
 * Checks the options of a scoring, and fills in defaults.
 *
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function scoreOptionsOf(message: ScoreMessage | undefined, field = 'options'): ScoreOptions {
  return named(field, (nameOf) => scoreOptions(fieldsOf(message) as Partial<ScoreOptions>, nameOf));
}

export const scoreMessage = (options: Omit<ScoreOptions, 'device'> & Partial<ScoreOptions>): ScoreMessage =>
  create(ScoreOptionsSchema, { ...options });

/**
 * Checks the options of an inference, and fills in defaults.
 *
 * @param maxLength default: the option of the model's training, if known
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function inferenceOptionsOf(
  message: InferenceMessage | undefined,
  maxLength: number = TRAIN_DEFAULTS.maxLength,
  field = 'options',
): InferenceOptions {
  const { batchSize, device } = TRAIN_DEFAULTS;
  const options = { batchSize, maxLength, device, ...fieldsOf(message) } as InferenceOptions;
  named(field, (nameOf) => checkInference(options, nameOf));
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
 * Checks the options of a selection as far as it can without the model, and fills in defaults.
 * `headsToChoose` checks the rest.
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

/** Returns the fields of a message that are set. */
function fieldsOf<M extends Message>(message: M | undefined): Partial<Omit<M, '$typeName' | '$unknown'>> {
  if (message === undefined) return {};
  const { $typeName: _type, $unknown: _unknown, ...fields } = message;
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<M>;
}

/** Runs a check that names options as the request does, in its message and in the error's field. */
function named<T>(field: string, check: (nameOf: (option: string) => string) => T): T {
  try {
    return check((option) => `${field}.${snakeCase(option)}`);
  } catch (thrown) {
    const error = HifiError.from(thrown);
    error.field = error.field === undefined ? field : `${field}.${snakeCase(error.field)}`;
    throw error;
  }
}

/** Converts a name to the contract's form: `maxLength` → `max_length`. */
const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
