import { z } from 'zod';
import type { Device } from '../foundation/device';
import { invalidInput, invalidPart } from '../foundation/errors';
import type { ReportOptions } from './head-report';
import { RANKING_DEFAULTS, type RankingOptions } from './ranking';

/** Options of measuring and ranking heads (docs/method.md). */
export interface AnalysisOptions extends RankingOptions {
  /**
   * Number of sequences to draw, n ≥ 1; all rows if there are fewer. With `auto` the analysis draws
   * blocks until the top k of every layer is stable in 95 % of the bootstrap replicates.
   */
  samples: number | 'auto';
  /** Maximum number of sequences that `auto` draws. */
  maxSamples: number;
  /** Heads per layer in the top k whose stability is reported; all heads if a layer has fewer. */
  k: number;
  /** ξ, 0 < ξ ≤ 1: share of Σσ that the first t singular values must reach. */
  xi: number;
  /** Number of tokens to which a sequence is truncated, special tokens included. */
  maxLength: number;
  /** Seed for drawing the sample; unsigned 32-bit. */
  seed: number;
  /**
   * Takes singular values from a float64 SVD of the head outputs, not from a Gram matrix. Slower;
   * for comparisons.
   */
  exact: boolean;
  /** Device of the encoder. */
  device: Device;
  /** Number of threads of the engine and of the measurement. Default: all cores. */
  threads?: number;
}

/** Default options: 300 sequences of at most 128 tokens, ξ = 0.9. */
export const ANALYSIS_DEFAULTS: AnalysisOptions = {
  samples: 300,
  maxSamples: 3000,
  k: 3,
  xi: 0.9,
  maxLength: 128,
  seed: 0,
  exact: false,
  device: 'auto',
  ...RANKING_DEFAULTS,
};

const SAMPLES = 'must be a whole number from 1, or auto';

const schema = z.strictObject({
  samples: z.union([z.literal('auto'), z.int(SAMPLES).min(1, SAMPLES)], SAMPLES),
  maxSamples: z.int('must be a whole number from 1').min(1, 'must be a whole number from 1'),
  k: z.int('must be a whole number from 1').min(1, 'must be a whole number from 1'),
  xi: z
    .number('must be a number above 0, at most 1')
    .gt(0, 'must be above 0, at most 1')
    .max(1, 'must be above 0, at most 1'),
  maxLength: z.int('must be a whole number from 1').min(1, 'must be a whole number from 1'),
  seed: z
    .int('must be a whole number from 0')
    .min(0, 'must be at least 0')
    .max(2 ** 32 - 1, 'must be below 2^32'),
  exact: z.boolean('must be true or false'),
  device: z.enum(['auto', 'cpu', 'cuda'], 'must be auto, cpu or cuda'),
  threads: z
    .int('must be a whole number from 1')
    .min(1, 'must be at least 1')
    .max(1024, 'must be at most 1024')
    .optional(),
  correlation: z.enum(['pearson', 'covariance'], 'must be pearson or covariance'),
  teleport: z.enum(['richness', 'uniform'], 'must be richness or uniform'),
  damping: z
    .number('must be a number between 0 and 1')
    .gt(0, 'must be above 0 and below 1')
    .lt(1, 'must be above 0 and below 1'),
  scope: z.enum(['layer', 'model'], 'must be layer or model'),
});

/**
 * Fills in defaults and checks all options.
 *
 * @param label returns the name of an option in messages
 * @throws HifiError INVALID_INPUT with the option, its value and what would be right; `field` is
 *   the option
 */
export function analysisOptions(
  given: Partial<AnalysisOptions>,
  label: (option: string) => string = (option) => `analysis option ${option}`,
): AnalysisOptions {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = { ...ANALYSIS_DEFAULTS, ...known };
  const { error } = schema.safeParse(options);
  if (!error) return options;
  const [issue] = error.issues;
  if (issue.code === 'unrecognized_keys') throw invalidInput(`the analysis has no option "${issue.keys[0]}"`);
  const name = issue.path.join('.') as keyof AnalysisOptions;
  throw invalidPart(name, `${label(name)} is ${JSON.stringify(options[name])}; it ${issue.message}`);
}

/**
 * Selects the options that determine a report: all but device and threads, and `maxSamples` only
 * with `samples` `auto`.
 */
export function reportOptions(options: AnalysisOptions): ReportOptions {
  const { device: _device, threads: _threads, maxSamples, ...rest } = options;
  return rest.samples === 'auto' ? { ...rest, maxSamples } : rest;
}
