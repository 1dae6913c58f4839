/** Every way to choose heads (METHOD §3). */
export const STRATEGIES = [
  'hifi',
  'hifi-mid-top',
  'random',
  'bottom',
  'magnitude',
  'activation',
  'richness-only',
  'correlation-only',
  'gradient',
  'grad-l1',
  'fisher',
  'movement',
  'all',
  'none',
] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** Which matrices of a chosen head are tuned: its rows of W_Q, W_K, W_V, or those and its columns of W_O. */
export type Tune = 'qkv' | 'qkvo';

/** One chosen head. */
export interface MaskHead {
  layer: number;
  head: number;
  /** The number that it was chosen by; 0 with `all`, which goes by none. */
  score: number;
}

/** mask.json: which heads are tuned, and how much of the model that is. */
export interface Mask {
  schemaVersion: 1;
  model: { name: string; sha256: string };
  strategy: Strategy;
  /** Heads a layer, in the layers that the strategy looks at; or `budget`. */
  k?: number;
  /** The share of the parameters that was not to be exceeded, above 0, at most 1. */
  budget?: number;
  tune: Tune;
  /** By layer, then head. */
  heads: MaskHead[];
  /** Tuned numbers without the task head. */
  trainableParameters: number;
  /** The base with its pooler, without a task head's other weights. */
  totalParameters: number;
  /** trainableParameters / totalParameters, 0 … 1. */
  share: number;
}
