/** One number a head, `[L][H]`: first index the layer, second the head, both from 0. */
export type PerHead = number[][];

/** The values of ξ for which every analysis keeps its counts, so that another ξ needs no second pass (docs/method.md). */
export const XI_GRID = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99] as const;

/** Two readings of "correlation" of two heads: mean |Pearson's r| or mean |covariance| of their mean outputs (docs/method.md). */
export type CorrelationKind = 'pearson' | 'covariance';

/** Where PageRank's random surfer jumps: by richness or to each head alike (docs/method.md). */
export type Teleport = 'richness' | 'uniform';

/** One graph a layer, or one graph of all L·H heads (docs/method.md). */
export type Scope = 'layer' | 'model';

/** The model that a report or a mask speaks of. */
export interface ReportModel {
  /** The known name, or the folder's last part. */
  name: string;
  /** SHA-256 of the safetensors file, in hexadecimal. */
  sha256: string;
  /** config.json's own name of the class, such as `BertModel`. */
  architecture: string;
  /** L. */
  layers: number;
  /** H, of each layer. */
  heads: number;
  /** dh, numbers of a head's output; `hiddenSize` = H·dh. */
  headDim: number;
  /** d. */
  hiddenSize: number;
  /** All numbers of the base model, embeddings and pooler included, without a task head's other weights. */
  parameters: number;
}

/** The rows that were measured. */
export interface ReportData {
  /** As it was given; of rows at hand the part of the request that they were. */
  path: string;
  /** Of the file's bytes, in hexadecimal. */
  sha256: string;
  /** Rows of the file that can be used: what the sample is drawn from. */
  rows: number;
  /** Row numbers of the sample, from 0, in the order drawn. */
  sampleIds: number[];
}

/** How the measurement was made, and how `pagerank` was made from it. */
export interface ReportOptions {
  /** Sequences asked for. */
  samples: number | 'auto';
  /** What bounds `auto`. */
  maxSamples?: number;
  /** The top k that `stability` speaks of. */
  k: number;
  /** ξ, 0 < ξ ≤ 1: the share of Σσ that t singular values had to reach. */
  xi: number;
  /** Tokens that a sequence was cut at. */
  maxLength: number;
  /** Of the draw. */
  seed: number;
  /** Whether singular values are those of the head outputs themselves, in float64. */
  exact: boolean;
  /** What the graph's edges weigh. */
  correlation: CorrelationKind;
  /** Where the random surfer jumps. */
  teleport: Teleport;
  /** δ, 0 < δ < 1. */
  damping: number;
  /** What one graph is of. */
  scope: Scope;
}

/** What is told of a layer's ranking: Spearman's ρ of PageRank with I and with Σr, −1 … 1, 0 where undefined. */
export interface RankCorrelations {
  /** With I_h. */
  richness: number;
  /** With Σ r, the head's correlation with all others of its graph. */
  correlationSum: number;
}

/** heads.json: everything that an analysis measured, enough to make any ranking anew. */
export interface HeadReport {
  /** Of this format. */
  schemaVersion: 1;
  /** What was measured. */
  model: ReportModel;
  /** What it was measured on. */
  data: ReportData;
  /** How. */
  options: ReportOptions;
  /** Sequences measured, n. */
  samples: number;
  /** I_h: how many singular values hold the share ξ of their sum, mean over the sequences, 1 … min(S, dh) (HiFi §3.1). */
  richness: PerHead;
  /** Standard error of I_h; null where n = 1. */
  richnessStderr: (number | null)[][];
  /** I_h for each ξ of the grid, keyed by the number's own text ("0.5"). */
  richnessByXi: Record<string, PerHead>;
  /** By kind [L·H][L·H], head index layer·H + head: mean |Pearson's r|, 0 … 1 (the diagonal is 1), and mean |covariance|, ≥ 0 (mean variance). */
  correlation: Record<CorrelationKind, number[][]>;
  /** The ranking by `options`, > 0: sums to 1 in each layer, with scope `model` over all heads (HiFi §3). */
  pagerank: PerHead;
  /** Mean square of the head's outputs, ≥ 0: trace(OᵀO)/(S·dh), mean over the sequences. */
  activation: PerHead;
  /** Norm of the head's weights, ‖[W_Q; W_K; W_V]_h‖_F. */
  headNorms: PerHead;
  /** Share of 200 bootstrap replicates in which the head is in its layer's top `options.k`; null where n = 1. */
  stability: PerHead | null;
  /** What the ranking goes by, one a layer: [L]. */
  rankCorrelations: RankCorrelations[];
  /** [L][H][dh]: mean of σ_i/Σσ, a sequence's values beyond its m = min(S, dh) being 0. */
  spectrum: number[][][];
  /** Rounds of PageRank, the most that any of its graphs took. */
  iterations: number;
  /** Where the encoder ran. */
  deviceUsed: 'cpu' | 'cuda';
  /** Wall time in seconds, without loading the model. */
  elapsedSeconds: number;
}
