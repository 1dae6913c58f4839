import { HifiError, invalidPart, renamed } from '../foundation/errors';
import type { TextDataset } from './gen/hifi/v1/dataset_pb';
import type { TrainingOptions } from './gen/hifi/v1/options_pb';

/** Converts a name to the contract's form: `maxLength` → `max_length`. */
export const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Parts of a request that decide how its errors name them. */
export interface NamedParts {
  /** Weights by label are a field of their own. */
  options?: Pick<TrainingOptions, 'labelWeights'>;
  /** Inline rows have lists where files have columns. */
  dataset?: TextDataset;
}

/**
 * Renames an engine error's field from the engine's request to the message: `data.labelColumn` →
 * `dataset.label_column`. The message of an option's error names the option as the field does.
 */
export function ofMessage(thrown: unknown, { options, dataset }: NamedParts = {}): unknown {
  if (!(thrown instanceof HifiError) || thrown.field === undefined) return thrown;
  const byLabel = Object.keys(options?.labelWeights ?? {}).length > 0;
  const field = snakeCase(
    thrown.field
      .replace(/^data(?=\.|$)/, 'dataset')
      .replace(/^options\.classWeights$/, byLabel ? 'options.labelWeights' : '$&'),
  );
  if (field === 'dataset.text_columns' && dataset?.source.case === 'inline') {
    const lists = 'dataset.inline.second_texts';
    return invalidPart(lists, `${lists} is empty; the model compares two texts`, thrown);
  }
  if (field.startsWith('options.') && thrown.expected !== undefined) return renamed(thrown, field);
  thrown.field = field;
  return thrown;
}
