import { z } from 'zod';
import type { Device } from '../foundation/device';
import type { ReportOptions } from './head-report';
import { ENGINE_RULES, numberIn, optionsCheck, seedRule, wholeFrom1 } from './options';
import { RANKING_DEFAULTS, RANKING_RULES, type RankingOptions } from './ranking';

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

const SAMPLES = 'a whole number from 1, or auto';

const schema = z.strictObject({
  samples: z.union([z.literal('auto'), z.int(SAMPLES).min(1, SAMPLES)], SAMPLES),
  maxSamples: wholeFrom1,
  k: wholeFrom1,
  xi: numberIn('above 0, at most 1', (xi) => xi > 0 && xi <= 1),
  maxLength: wholeFrom1,
  seed: seedRule,
  exact: z.boolean('true or false'),
  ...ENGINE_RULES,
  ...RANKING_RULES,
});

/** Fills in defaults and checks the rest; see {@link optionsCheck}. */
export const analysisOptions = optionsCheck<AnalysisOptions>('analysis', schema, ANALYSIS_DEFAULTS);

/**
 * Selects the options that determine a report: all but device and threads, and `maxSamples` only
 * with `samples` `auto`.
 */
export function reportOptions(options: AnalysisOptions): ReportOptions {
  const { device: _device, threads: _threads, maxSamples, ...rest } = options;
  return rest.samples === 'auto' ? { ...rest, maxSamples } : rest;
}
