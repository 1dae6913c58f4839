import { create, type Message } from '@bufbuild/protobuf';
import { type InferenceOptions, inferenceOptions } from '../delta/inference-options';
import { type ScoreOptions, scoreOptions } from '../delta/score-options';
import type { TrainedLengths } from '../delta/trained-as';
import { TRAIN_DEFAULTS, type TrainOptions, trainOptions } from '../delta/training-options';
import { HifiError, invalidPart, invalidValue, renamed, shown } from '../foundation/errors';
import { type AnalysisOptions, analysisOptions } from '../heads/analysis-options';
import type { ReportOptions } from '../heads/head-report';
import { type SelectionOptions, selectionOptions, sizeOf } from '../heads/select';
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
import { snakeCase } from './message-field';

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
  return named(field, () => analysisOptions(chosen));
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
  const { classWeights, labelWeights = {}, autoLr, lr, ...given } = fieldsOf(message);
  if (autoLr && lr !== undefined) {
    const name = `${field}.auto_lr`;
    throw invalidPart(name, `${name} is true and ${field}.lr is ${lr}; give one of them`);
  }
  const byLabel = Object.keys(labelWeights).length > 0;
  const name = `${field}.class_weights`;
  if (classWeights !== undefined && !['none', 'balanced'].includes(classWeights)) {
    throw invalidValue({ field: name, value: shown(classWeights), expected: 'none or balanced' });
  }
  if (classWeights === 'balanced' && byLabel) {
    throw invalidPart(name, `${name} is balanced and ${field}.label_weights is given; give one of them`);
  }
  if (!Object.values(labelWeights).every((weight) => weight > 0 && Number.isFinite(weight))) {
    const wrong = { field: `${field}.label_weights`, value: shown(labelWeights) };
    throw invalidValue({ ...wrong, expected: 'a number above 0 for each label' });
  }
  const weights = byLabel ? { ...labelWeights } : classWeights === 'balanced' ? classWeights : undefined;
  return named(field, () =>
    trainOptions({ ...given, lr: autoLr ? 'auto' : lr, classWeights: weights } as Partial<TrainOptions>),
  );
}

export const trainingMessage = ({ lr, classWeights, ...options }: TrainOptions): TrainingMessage =>
  create(TrainingOptionsSchema, {
    ...options,
    ...(lr === 'auto' ? { autoLr: true } : { lr }),
    ...(typeof classWeights === 'object' ? { labelWeights: classWeights } : { classWeights }),
  });

/**
 * Checks the options of a scoring, and fills in defaults.
 *
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function scoreOptionsOf(message: ScoreMessage | undefined, field = 'options'): ScoreOptions {
  return named(field, () => scoreOptions(fieldsOf(message) as Partial<ScoreOptions>));
}

export const scoreMessage = (options: Omit<ScoreOptions, 'device'> & Partial<ScoreOptions>): ScoreMessage =>
  create(ScoreOptionsSchema, { ...options });

/**
 * Checks the options of an inference, and fills in defaults.
 *
 * @param trained defaults: the options of the model's training, if known
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function inferenceOptionsOf(
  message: InferenceMessage | undefined,
  trained: TrainedLengths = {},
  field = 'options',
): InferenceOptions {
  const { batchSize, maxLength, device } = TRAIN_DEFAULTS;
  return named(field, () =>
    inferenceOptions({ batchSize, maxLength, device, ...trained, ...fieldsOf(message) } as InferenceOptions),
  );
}

export const inferenceMessage = (options: InferenceOptions): InferenceMessage =>
  create(InferenceOptionsSchema, { ...options });

/**
 * Checks the options of a selection as far as it can without the model, and fills in defaults.
 * `unitsToChoose` checks the rest.
 *
 * @throws HifiError as {@link analysisOptionsOf}
 */
export function selectionOptionsOf(message: SelectionMessage | undefined, field = 'selection'): SelectionOptions {
  const given = fieldsOf(message);
  if (given.k !== undefined && given.budget !== undefined) {
    const name = `${field}.budget`;
    throw invalidPart(name, `${name} is ${given.budget} and ${field}.k is ${given.k}; give one of them`);
  }
  const options = given as Partial<SelectionOptions>;
  return named(field, () => selectionOptions({ ...options, ...sizeOf(options) }));
}

export const selectionMessage = (options: SelectionOptions): SelectionMessage =>
  create(SelectionOptionsSchema, { ...options });

/** Returns the fields of a message that are set. */
function fieldsOf<M extends Message>(message: M | undefined): Partial<Omit<M, '$typeName' | '$unknown'>> {
  if (message === undefined) return {};
  const { $typeName: _type, $unknown: _unknown, ...fields } = message;
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<M>;
}

/** Runs a check of options; its errors name them as the request does. */
function named<T>(field: string, check: () => T): T {
  try {
    return check();
  } catch (thrown) {
    const error = HifiError.from(thrown);
    if (error.field === undefined) throw renamed(error, field);
    const name = snakeCase(error.field);
    // The message has a field of its own for the word auto.
    error.expected = error.expected?.replace(/, or auto$/, `, or auto_${name} true`);
    throw renamed(error, `${field}.${name}`);
  }
}
