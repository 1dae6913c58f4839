import { z } from 'zod';
import { invalidInput, invalidValue, shown } from '../foundation/errors';
import { PRECISIONS } from '../foundation/precision';
import { TUNE_RULE, tuneOf } from './tune';

/** Rules for values that several kinds of options have. Each message says what a value must be. */
export const wholeFrom1 = z.int('a whole number from 1').min(1, 'a whole number from 1');

/** Rule for a seed: unsigned, 32 bits. */
export const seedRule = wholeIn(0, 2 ** 32 - 1);

/** Rule for what is tuned, which also puts its letters in order. */
export const tuneRule = z
  .string(TUNE_RULE)
  .refine((text) => tuneOf(text) !== undefined, TUNE_RULE)
  .transform((text) => tuneOf(text)!);

/** Rules for where and on how many cores an engine computes. */
export const ENGINE_RULES = {
  device: z.enum(['auto', 'cpu', 'cuda'], 'auto, cpu or cuda'),
  threads: wholeIn(1, 1024).optional(),
};

/** Rules for an engine that computes with TensorFlow. */
export const TENSORFLOW_RULES = {
  ...ENGINE_RULES,
  precision: z.enum(PRECISIONS, PRECISIONS.join(' or ')).optional(),
};

function wholeIn(least: number, most: number) {
  const expected = `a whole number from ${least} to ${most}`;
  return z.int(expected).min(least, expected).max(most, expected);
}

/** Rule for a number in a range; `range` describes it in messages. */
export const numberIn = (range: string, holds: (value: number) => boolean) =>
  z.number(`a number ${range}`).refine(holds, range);

/**
 * Returns a function that fills in defaults and checks options by a schema, whose messages say what
 * a value must be. An option that is undefined is not given.
 *
 * The function throws HifiError INVALID_INPUT: the first wrong option, its value and what would be
 * right. `field` is the option.
 *
 * @param kind name in messages: `training option lr is 0; it must be above 0`
 */
export function optionsCheck<T extends object>(
  kind: string,
  schema: z.ZodType,
  defaults: Partial<T>,
): (given: Partial<T>) => T {
  return (given) => {
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const options = { ...defaults, ...known } as T;
    const { error, data } = schema.safeParse(options);
    if (!error) return { ...options, ...(data as T) };
    const [issue] = error.issues;
    if (issue.code === 'unrecognized_keys') throw invalidInput(`there is no ${kind} option "${issue.keys[0]}"`);
    const field = issue.path.join('.');
    const wrong = { field, value: shown(options[field as keyof T]), expected: issue.message };
    throw invalidValue(wrong, `${kind} option ${field}`);
  };
}
