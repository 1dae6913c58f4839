import { z } from 'zod';
import type { Device } from '../foundation/device';
import { invalidInput, invalidPart } from '../foundation/errors';
import type { ReportOptions } from './head-report';
import { RANKING_DEFAULTS, type RankingOptions } from './ranking';

/** How heads are measured and ranked (docs/method.md). */
export interface AnalysisOptions extends RankingOptions {
  /**
   * Sequences to draw, n ≥ 1; all rows where there are fewer. `auto`: as many as it takes until the top k of every layer holds
   * in 95 % of the bootstrap replicates, looked at after whole blocks.
   */
  samples: number | 'auto';
  /** The most that `auto` draws. */
  maxSamples: number;
  /** The top k whose stability is told, heads a layer; all heads where a layer has fewer. */
  k: number;
  /** ξ, 0 < ξ ≤ 1: the share of Σσ that t singular values must reach. */
  xi: number;
  /** Tokens a sequence is truncated to, special tokens included. */
  maxLength: number;
  /** Of the draw; unsigned 32-bit. */
  seed: number;
  /** Singular values from a float64 SVD of the head outputs, not from a Gram matrix: slower, for comparisons. */
  exact: boolean;
  /** Where the encoder runs. */
  device: Device;
  /** Threads of the engine and of the measuring; all cores unless given. */
  threads?: number;
}

/** 300 sequences of at most 128 tokens, ξ = 0.9. */
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
 * Fills in what was not given and checks the rest.
 *
 * @param said what a message calls an option
 * @throws HifiError INVALID_INPUT naming the option, its value and what would be right; `field` is the option.
 */
export function analysisOptions(
  given: Partial<AnalysisOptions>,
  said: (option: string) => string = (option) => `analysis option ${option}`,
): AnalysisOptions {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = { ...ANALYSIS_DEFAULTS, ...known };
  const { error } = schema.safeParse(options);
  if (!error) return options;
  const [issue] = error.issues;
  if (issue.code === 'unrecognized_keys') throw invalidInput(`the analysis has no option "${issue.keys[0]}"`);
  const name = issue.path.join('.') as keyof AnalysisOptions;
  throw invalidPart(name, `${said(name)} is ${JSON.stringify(options[name])}; it ${issue.message}`);
}

/** The options that a report is made by; device and threads are not among them, nor a bound that bounds nothing. */
export function reportOptions(options: AnalysisOptions): ReportOptions {
  const { device: _device, threads: _threads, maxSamples, ...kept } = options;
  return kept.samples === 'auto' ? { ...kept, maxSamples } : kept;
}
