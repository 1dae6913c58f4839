import type { DataSource } from '../data/dataset';
import type { StageProgress, WarningEvent, WorkInterval } from '../foundation/progress';
import type { AnalysisOptions } from './analysis-options';

/** Part of an analysis that one process computes: whole blocks of the sample. */
export interface Shard {
  /** Number of the shard, 0 … count − 1. */
  index: number;
  count: number;
}

/** Request of an analysis. */
export interface AnalyzeRequest {
  /** Folder of the checkpoint. */
  model: string;
  /** Name of the model in the report. Default: the folder's last part. */
  modelName?: string;
  data: DataSource;
  options?: Partial<AnalysisOptions>;
}

/**
 * Event of a running analysis. Its intervals:
 *
 * - `load`, `encode` and `rank`;
 * - `onnxruntime`, one per batch, with `sequences` and `tokens` (without padding);
 * - `eigenvalues`, one per batch that a worker measures, with `sequences` and `worker`.
 */
export type AnalysisEvent = StageProgress | WorkInterval | WarningEvent;
