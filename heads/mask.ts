/** Every way to choose heads (docs/method.md). */
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
/** One of {@link STRATEGIES}. */
export type Strategy = (typeof STRATEGIES)[number];

/** Which matrices of a chosen head are tuned: its rows of W_Q, W_K, W_V, or those and its columns of W_O. */
export type Tune = 'qkv' | 'qkvo';

/** One chosen head. */
export interface MaskHead {
  /** From 0. */
  layer: number;
  /** Of its layer, from 0. */
  head: number;
  /** The number that it was chosen by; 0 with `all`, which goes by none. */
  score: number;
}

/** mask.json: which heads are tuned, and how much of the model that is. */
export interface Mask {
  /** Of this format. */
  schemaVersion: 1;
  /** The base that the heads are of. */
  model: {
    /** The known name, or the folder's last part. */
    name: string;
    /** Of its weights, in hexadecimal: what tells whether a model is the mask's. */
    sha256: string;
  };
  /** What they were chosen by. */
  strategy: Strategy;
  /** Heads a layer, in the layers that the strategy looks at; or `budget`. */
  k?: number;
  /** The share of the parameters that was not to be exceeded, above 0, at most 1. */
  budget?: number;
  /** What of each is tuned; `full`, in a comparison alone, where they are all heads and the rest of the model is tuned too. */
  tune: Tune | 'full';
  /** By layer, then head. */
  heads: MaskHead[];
  /** Tuned numbers without the task head. */
  trainableParameters: number;
  /** The base with its pooler, without a task head's other weights. */
  totalParameters: number;
  /** trainableParameters / totalParameters, 0 … 1. */
  share: number;
}
