import type { DataSource } from '../data/dataset';
import type { AnalysisOptions } from './options';

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

/** What an analysis tells while it runs. */
export type AnalysisEvent =
  | {
      kind: 'progress';
      stage: 'load' | 'encode' | 'measure' | 'rank';
      done: number;
      total: number;
      unit: 'models' | 'sequences' | 'reports';
      /** Units a second, once there is something to tell it by. */
      rate?: number;
      remainingSeconds?: number;
    }
  | { kind: 'warning'; message: string };
