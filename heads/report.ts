/** One number a head, `[L][H]`: first index the layer, second the head, both from 0. */
export type PerHead = number[][];

/** The values of ξ for which every analysis keeps its counts, so that another ξ needs no second pass (METHOD §1). */
export const XI_GRID = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99] as const;

/** Two readings of "correlation" of two heads: mean |Pearson's r| or mean |covariance| of their mean outputs (METHOD §1). */
export type CorrelationKind = 'pearson' | 'covariance';

/** Where PageRank's random surfer jumps: by richness or to each head alike (METHOD §2). */
export type Teleport = 'richness' | 'uniform';

/** One graph a layer, or one graph of all L·H heads (METHOD §2). */
export type Scope = 'layer' | 'model';

/** The model that a report or a mask speaks of. */
export interface ReportModel {
  /** The known name, or the folder's last part. */
  name: string;
  /** SHA-256 of the safetensors file, in hexadecimal. */
  sha256: string;
  architecture: string;
  layers: number;
  heads: number;
  headDim: number;
  hiddenSize: number;
  /** All numbers of the base model, embeddings and pooler included, without a task head's other weights. */
  parameters: number;
}

/** The rows that were measured. */
export interface ReportData {
  path: string;
  sha256: string;
  /** Rows of the file that can be used: what the sample is drawn from. */
  rows: number;
  /** Row numbers of the sample, from 0, in the order drawn. */
  sampleIds: number[];
}

/** How the measurement was made, and how `pagerank` was made from it. */
export interface ReportOptions {
  samples: number | 'auto';
  /** What bounds `auto`. */
  maxSamples?: number;
  /** The top k that `stability` speaks of. */
  k: number;
  xi: number;
  maxLength: number;
  seed: number;
  exact: boolean;
  correlation: CorrelationKind;
  teleport: Teleport;
  damping: number;
  scope: Scope;
}

/** What is told of a layer's ranking: Spearman's ρ of PageRank with I and with Σr, −1 … 1, 0 where undefined. */
export interface RankCorrelations {
  richness: number;
  correlationSum: number;
}

/** heads.json: everything that an analysis measured, enough to make any ranking anew. */
export interface HeadReport {
  schemaVersion: 1;
  model: ReportModel;
  data: ReportData;
  options: ReportOptions;
  /** Sequences measured, n. */
  samples: number;
  /** I_h, the mean of t at `options.xi`, 1 … min(S, dh). */
  richness: PerHead;
  /** Standard error of I_h; null where n = 1. */
  richnessStderr: (number | null)[][];
  /** I_h for each ξ of the grid, keyed by the number's own text ("0.5"). */
  richnessByXi: Record<string, PerHead>;
  /** [L·H][L·H], head index layer·H + head; the diagonal is 1, or the mean variance. */
  correlation: Record<CorrelationKind, number[][]>;
  pagerank: PerHead;
  /** Mean of trace(OᵀO)/(S·dh). */
  activation: PerHead;
  /** ‖[W_Q; W_K; W_V]_h‖_F. */
  headNorms: PerHead;
  /** Share of 200 bootstrap replicates in which the head is in its layer's top `options.k`; null where n = 1. */
  stability: PerHead | null;
  rankCorrelations: RankCorrelations[];
  /** [L][H][dh]: mean of σ_i/Σσ, a sequence's values beyond its m = min(S, dh) being 0. */
  spectrum: number[][][];
  /** Rounds of PageRank, the most that any of its graphs took. */
  iterations: number;
  deviceUsed: 'cpu' | 'cuda';
  /** Wall time without loading the model. */
  elapsedSeconds: number;
}
