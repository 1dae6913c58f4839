/**
 * Tensor operations of a transformer. An architecture is a function over them; an implementation of
 * them builds a graph. `V` is a value of that graph.
 *
 * Values have one of four forms. The layout of the tokens is the implementation's own.
 *
 * | form      | shape                                                                      |
 * |-----------|----------------------------------------------------------------------------|
 * | tokens    | a row for each token: [B, S, n], [B·S, n], or [T, n] for the T real tokens |
 * | heads     | a row for each token and head: [B, H, S, dh] in some order of the axes     |
 * | scores    | a number for each head and pair of tokens: [B, H, Sq, S]                   |
 * | distances | a row for each distance, or range of distances, of two tokens: [R, n]      |
 *
 * Operations on each row by itself, such as `linear` and `layerNorm`, take distances as well. Where
 * distances count, the tokens that have queries are the first Sq of their sequence.
 *
 * A module is named as in the checkpoint. Its tensors are `MODULE.weight` and `MODULE.bias`; their
 * shapes come from the architecture's list of tensors.
 */
export interface Operations<V> {
  /** Picks each token's row of an embedding table. // → tokens [E] */
  embed(module: string, index: TokenIndex): V;
  /**
   * Computes factor·(x·Wᵀ + b); without b if the module has no bias. // tokens [in] → tokens [out]
   */
  linear(x: V, module: string, options?: LinearOptions): V;
  /** Computes `linear` of the same tokens for several modules, which may cost less together. */
  linearTogether(x: V, modules: readonly LinearModule[]): V[];
  /**
   * Layer normalization (Ba et al. 2016); without an offset if the module has no bias. // tokens
   */
  layerNorm(x: V, module: string, epsilon: number): V;
  /**
   * Root mean square normalization of each row, or of each head's row, times a factor (Zhang &
   * Sennrich 2019). // tokens, heads
   */
  rmsNorm(x: V, module: string, epsilon: number, factor?: number): V;
  /** Applies an activation to each number. */
  activate(x: V, activation: Activation): V;
  /** Adds two values of one shape. */
  add(a: V, b: V): V;
  /** Multiplies two values of one shape, number by number. */
  multiply(a: V, b: V): V;
  /** Picks the first token of each sequence. // tokens → tokens, S = 1 */
  firstToken(x: V): V;
  /** Picks the last token of each sequence that is not padding. // tokens → tokens, S = 1 */
  lastToken(x: V): V;
  /** Mean of each sequence's real tokens. // tokens → tokens, S = 1 */
  meanToken(x: V): V;
  /** Cuts each token's row into heads. // tokens [H·dh] → heads */
  splitHeads(x: V, heads: number): V;
  /** Repeats each head in place: of G key heads, H query heads read each H/G times. // heads */
  repeatHeads(x: V, times: number): V;
  /**
   * Rotary positions with split halves (Su et al. 2021): turns each pair (i, i + dh/2) of a head's
   * numbers by the token's place in its sequence times the i-th frequency. // heads
   *
   * @param frequencies in radians per token; see `rotaryFrequencies` // [dh/2]
   * @param tokens whose heads these are
   */
  rotary(x: V, frequencies: readonly number[], tokens: QueryTokens): V;
  /** Joins the heads to one row per token. // heads → tokens [H·dh] */
  joinHeads(x: V): V;
  /**
   * Computes Q·Kᵀ of each head. // heads, heads → scores
   *
   * @param window for which the pairs within it are computed, and others as it suits
   */
  scores(query: V, key: V, window?: Window): V;
  /** Takes padding out of the keys. // scores */
  maskPadding(scores: V): V;
  /**
   * Takes the tokens after a query's own out of its keys, and padding on the right with them. //
   * scores
   *
   * @param tokens that have queries
   */
  maskFuture(scores: V, tokens: QueryTokens): V;
  /** Takes padding and the tokens beyond a query's window out of its keys. // scores */
  maskWindow(scores: V, window: Window): V;
  /** Softmax over the keys. // scores */
  softmax(scores: V): V;
  /**
   * Sums the values, weighted by probabilities. // scores, heads → heads
   *
   * @param window that of the scores
   */
  weightedSum(probabilities: V, value: V, window?: Window): V;
  /**
   * Drops a share of the numbers while the layer is trained (Srivastava et al. 2014).
   *
   * @param rate share in [0, 1)
   * @param layer from 0; the number of layers for a task head
   */
  dropout(x: V, rate: number, layer: number, site: DropoutSite): V;
  /** Reads a table of distances whole. // → distances [E] */
  distanceTable(module: string): V;
  /**
   * Adds a number to each score: a table has it for the distance of the two tokens and for the
   * head. // scores
   *
   * @param module table with a column for each head of the layer
   */
  addDistanceBias(scores: V, module: string, rowOf: RowOfDistance, layer: number): V;
  /**
   * Adds to each score the product of one of its tokens with the row of their distance.
   * // scores, heads, distances [H·dh] → scores
   *
   * @param x queries or keys, as `side` says
   */
  addDistanceScores(scores: V, x: V, rows: V, rowOf: RowOfDistance, side: 'query' | 'key'): V;
  /**
   * Convolution of each sequence, of odd width; padding and what is outside of the sequence count
   * as 0. // tokens [in] → tokens [out]
   *
   * @param module with a weight [out, in, width] and a bias
   */
  convolve(x: V, module: string): V;
}

/** Use of a module's weights. */
export interface LinearOptions {
  /** Output features of a module that holds several matrices; default: all. */
  rows?: Range;
  /** Default: 1. An implementation may move it to where it costs least. */
  factor?: number;
}

/** Module of several that multiply the same tokens. */
export interface LinearModule extends LinearOptions {
  module: string;
}

/** Tokens that have queries: all of a sequence, or the one that a task head reads. */
export type QueryTokens = 'all' | 'first' | 'last';

/** Window of local attention (Beltagy et al. 2020). Its cost is linear in the tokens. */
export interface Window {
  /** Largest distance of a key from its query, in tokens. */
  reach: number;
  /** Tokens that have queries. */
  tokens: QueryTokens;
}

/** Half-open range of indices of an axis. */
export type Range = readonly [from: number, to: number];

/** Number of a token by which a table has a row for it. */
export type TokenIndex = 'ids' | 'positions' | 'segments';

/** Activations, each under one name; `gelu` is the exact one, `gelu_new` its tanh form. */
export type Activation = 'gelu' | 'gelu_new' | 'quick_gelu' | 'relu' | 'silu' | 'tanh';

/** Row of a table for a distance: the query's place minus the key's. */
export type RowOfDistance = (distance: number) => number;

/** Place of a dropout within its layer, the task head or the embeddings. */
export type DropoutSite =
  | 'attention'
  | 'attentionOutput'
  | 'output'
  | 'pooled'
  | 'headInput'
  | 'embeddings'
  | 'distances'
  | 'convolution';
