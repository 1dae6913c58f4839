/** One number per head, `[L][H]`: first index the layer, second the head, both from 0. */
export type PerHead = number[][];

/**
 * Values of ξ for which every analysis counts singular values, so that another ξ needs no second
 * pass (docs/method.md).
 */
export const XI_GRID = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99] as const;

/**
 * Definition of the correlation of two heads: mean |Pearson's r| or mean |covariance| of their mean
 * outputs (docs/method.md).
 */
export type CorrelationKind = 'pearson' | 'covariance';

/** Teleport distribution of PageRank: proportional to richness, or uniform (docs/method.md). */
export type Teleport = 'richness' | 'uniform';

/** Scope of one graph: the heads of a layer, or all L·H heads (docs/method.md). */
export type Scope = 'layer' | 'model';

/** Numbers that tuning one head trains, by role. */
export interface HeadParameters {
  /** Its rows of W_Q, with the bias if there is one that has a gradient. */
  q: number;
  /** Its rows of W_K. */
  k: number;
  /** Its rows of W_V. */
  v: number;
  /** Its columns of W_O. */
  o: number;
  /** Neighbouring heads that share the rows of W_K and W_V; 1 if each head has its own. */
  groupSize: number;
}

/** Sizes of a layer's matrices, from which the cost of a training is computed. */
export interface LayerParameters {
  /** Weights of the matrices that multiply each token's row. */
  matrices: number;
  /** Inputs and outputs, added up, of those that give queries, keys and values. */
  projections: number;
}

/** Neurons of the feed-forward layers. Every layer of a model has as many. */
export interface NeuronSizes {
  /** Number of neurons per layer, di. */
  perLayer: number;
  /** Numbers that tuning one neuron trains: rows of the first matrix, columns of the second. */
  parameters: number;
}

/** Model of a report or a mask. */
export interface ReportModel {
  /** Known name, or the folder's last part. */
  name: string;
  /** SHA-256 of the safetensors file, in hexadecimal. */
  sha256: string;
  /** Class name from config.json, such as `BertModel`. */
  architecture: string;
  /** Number of layers, L. */
  layers: number;
  /** Number of heads per layer, H. */
  heads: number;
  /** Size of a head's output, dh. */
  headDim: number;
  /** Hidden size, d. */
  hiddenSize: number;
  /**
   * Number of the base model's parameters: embeddings and pooler included, without a task head's
   * other weights.
   */
  parameters: number;
  /**
   * Numbers that tuning a head trains. Default: `headDim` rows of three matrices of width
   * `hiddenSize` and of the biases of Q and V, as in BERT.
   */
  headParameters?: HeadParameters;
  /**
   * Sizes of a layer's matrices. Default: three of `hiddenSize` rows and columns for queries, keys
   * and values, one for the attention's output, and a feed-forward layer of 4 · `hiddenSize`, as in
   * BERT.
   */
  layerParameters?: LayerParameters;
  /** Neurons of its feed-forward layers; absent in older files. */
  neurons?: NeuronSizes;
}

/** Rows of a measurement. */
export interface ReportData {
  /** Path as given; for inline rows the field of the request that had them. */
  path: string;
  /** SHA-256 of the file's bytes, in hexadecimal. */
  sha256: string;
  /** Number of usable rows in the file, from which the sample is drawn. */
  rows: number;
  /** Row numbers of the sample, from 0, in the order drawn. */
  sampleIds: number[];
}

/** Options of a measurement, and of the ranking in `pagerank`. */
export interface ReportOptions {
  /** Number of requested sequences. */
  samples: number | 'auto';
  /** Maximum number of sequences with `auto`. */
  maxSamples?: number;
  /** Heads per layer in the top k whose `stability` is reported. */
  k: number;
  /** ξ, 0 < ξ ≤ 1: share of Σσ that the first t singular values had to reach. */
  xi: number;
  /** Number of tokens to which a sequence was truncated. */
  maxLength: number;
  /** Seed for drawing the sample. */
  seed: number;
  /** True if the singular values come from a float64 SVD of the head outputs. */
  exact: boolean;
  /** Weight of the graph's edges. */
  correlation: CorrelationKind;
  /** Teleport distribution of PageRank. */
  teleport: Teleport;
  /** Damping δ of PageRank, 0 < δ < 1. */
  damping: number;
  /** Scope of one graph. */
  scope: Scope;
}

/** Spearman's ρ between PageRank and its two inputs in one layer, −1 … 1; 0 if undefined. */
export interface RankCorrelations {
  /** ρ of PageRank and richness I_h. */
  richness: number;
  /** ρ of PageRank and Σ r, the head's correlation with all others of its graph. */
  correlationSum: number;
}

/** Content of heads.json: everything that an analysis measured, enough for any other ranking. */
export interface HeadReport {
  /** Version of this format. */
  schemaVersion: 1;
  /** Measured model. */
  model: ReportModel;
  /** Rows on which it was measured. */
  data: ReportData;
  /** Options of the measurement and ranking. */
  options: ReportOptions;
  /** Number of measured sequences, n. */
  samples: number;
  /**
   * Richness I_h: number of singular values that hold the share ξ of their sum, mean over the
   * sequences, 1 … min(S, dh) (HiFi §3.1).
   */
  richness: PerHead;
  /** Standard error of I_h; null if n = 1. */
  richnessStderr: (number | null)[][];
  /** I_h for each ξ of the grid, keyed by ξ as text, such as "0.5". */
  richnessByXi: Record<string, PerHead>;
  /**
   * Correlation by kind, [L·H][L·H], with head index layer·H + head.
   *
   * - `pearson`: mean |Pearson's r|, 0 … 1; the diagonal is 1.
   * - `covariance`: mean |covariance|, ≥ 0; the diagonal is the mean variance.
   */
  correlation: Record<CorrelationKind, number[][]>;
  /**
   * PageRank with `options`, > 0. It sums to 1 in each layer, or over all heads with scope `model`
   * (HiFi §3).
   */
  pagerank: PerHead;
  /** Mean square of the head's outputs, ≥ 0: trace(OᵀO)/(S·dh), mean over the sequences. */
  activation: PerHead;
  /** Norm of the head's weights, ‖[W_Q; W_K; W_V]_h‖_F. */
  headNorms: PerHead;
  /**
   * Share of 200 bootstrap replicates in which the head is in its layer's top `options.k`; null if
   * n = 1.
   */
  stability: PerHead | null;
  /** Rank correlations of PageRank with its inputs, one entry per layer, [L]. */
  rankCorrelations: RankCorrelations[];
  /** Mean of σ_i/Σσ, [L][H][dh]. A sequence's values beyond m = min(S, dh) are 0. */
  spectrum: number[][][];
  /** Maximum number of PageRank rounds over the graphs. */
  iterations: number;
  /** Device of the encoder. */
  deviceUsed: 'cpu' | 'cuda';
  /** Wall time in seconds, without loading the model. */
  elapsedSeconds: number;
}
