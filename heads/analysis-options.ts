import { z } from 'zod';
import type { Device } from '../foundation/device';
import type { ReportOptions } from './head-report';
import { ENGINE_RULES, numberIn, optionsCheck, seedRule, wholeFrom1 } from './options';
import { RANKING_DEFAULTS, RANKING_RULES, type RankingOptions } from './ranking';

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

/** The options that a report is made by; device and threads are not among them, nor a bound that bounds nothing. */
export function reportOptions(options: AnalysisOptions): ReportOptions {
  const { device: _device, threads: _threads, maxSamples, ...kept } = options;
  return kept.samples === 'auto' ? { ...kept, maxSamples } : kept;
}
