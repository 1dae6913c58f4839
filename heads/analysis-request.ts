import type { DataSource } from '../data/dataset';
import type { StageProgress, WarningEvent, WorkInterval } from '../foundation/progress';
import type { AnalysisOptions } from './analysis-options';

/** A part of an analysis that one process does: whole blocks of the sample. */
export interface Shard {
  /** 0 … count − 1. */
  index: number;
  count: number;
}

export interface AnalyzeRequest {
  /** Folder of the checkpoint. */
  model: string;
  /** What the report calls the model; the folder's last part unless given. */
  modelName?: string;
  data: DataSource;
  options?: Partial<AnalysisOptions>;
}

/**
 * What an analysis tells while it runs. Its intervals: `load`, `encode`, `rank`, one `onnxruntime` a batch (attributes `sequences`,
 * `tokens`: without padding) and one `eigenvalues` for what a worker then measures of it (`sequences`, `worker`).
 */
export type AnalysisEvent = StageProgress | WorkInterval | WarningEvent;
