/** Strategies for choosing heads (docs/method.md). */
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

/** Tuned matrices of a chosen head: its rows of W_Q, W_K, W_V, or those and its columns of W_O. */
export type Tune = 'qkv' | 'qkvo';

/** Chosen head. */
export interface MaskHead {
  /** Number of the layer, from 0. */
  layer: number;
  /** Number of the head in its layer, from 0. */
  head: number;
  /** Score by which the strategy chose it; 0 with `all`, which uses no score. */
  score: number;
}

/** Content of mask.json: the heads to tune, and their share of the model. */
export interface Mask {
  /** Version of this format. */
  schemaVersion: 1;
  /** Base model of the heads. */
  model: {
    /** Known name, or the folder's last part. */
    name: string;
    /**
     * SHA-256 of its weights, in hexadecimal. It identifies the model to which the mask belongs.
     */
    sha256: string;
  };
  /** Strategy that chose the heads. */
  strategy: Strategy;
  /** Heads per layer, in the layers that the strategy uses; absent with `budget`. */
  k?: number;
  /** Maximum share of the parameters, above 0, at most 1. */
  budget?: number;
  /**
   * Tuned matrices of each head. `full` occurs only in comparisons: all heads and the rest of the
   * model are tuned.
   */
  tune: Tune | 'full';
  /** Chosen heads, sorted by layer, then head. */
  heads: MaskHead[];
  /** Number of trainable parameters, without the task head. */
  trainableParameters: number;
  /**
   * Number of the base model's parameters: pooler included, without a task head's other weights.
   */
  totalParameters: number;
  /** Share trainableParameters / totalParameters, 0 … 1. */
  share: number;
}
