import * as fs from 'node:fs';
import { nearestSibling } from '../data/nearest';
import type { TrainOptions } from '../delta/training-options';
import { invalidInput } from '../foundation/errors';
import { regularFileText } from '../foundation/regular-file';
import type { FlagParser } from './flag-values';

/** Values of `--class-weights` that are no file. */
const WORDS = ['none', 'balanced'] as const;

/** Accepts a word, or the path of a file of weights, which {@link classWeights} reads. */
export const wordOrWeights: FlagParser<string> = Object.assign((text: string) => text, {
  takes: 'file' as const,
  words: WORDS,
});

/**
 * Weights that `--class-weights` names; undefined for none.
 * @throws HifiError INVALID_INPUT for a file that is no JSON object of numbers above 0
 */
export function classWeights(given: string | undefined): TrainOptions['classWeights'] {
  if (given === undefined || given === 'none') return undefined;
  if (given === 'balanced') return given;
  const refused = (what: string, error?: unknown) =>
    invalidInput(`--class-weights ${given} ${what}; it must be none, balanced or a file such as {"spam": 5}`, error);
  if (!fs.existsSync(given)) throw refused(`is no such file${nearestSibling(given)}`);
  const text = regularFileText(given);
  let weights: unknown;
  try {
    weights = JSON.parse(text);
  } catch (error) {
    throw refused('is not JSON', error);
  }
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights)) throw refused('is no JSON object');
  const wrong = Object.entries(weights).find(([, weight]) => typeof weight !== 'number' || !(weight > 0));
  if (wrong === undefined) return weights as Record<string, number>;
  throw refused(`gives "${wrong[0]}" the weight ${JSON.stringify(wrong[1])}; a weight is a number above 0`);
}
