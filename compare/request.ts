import type { DataSource } from '../data/dataset';
import type { TrainOptions } from '../delta/training-options';
import type { StageProgress, WarningEvent } from '../foundation/progress';
import type { Contestant } from './contestants';
import type { RunRecord } from './run-record';
import type { ComparisonSettings } from './settings';

/** A comparison on one data set. */
export interface CompareRequest
  extends Pick<ComparisonSettings, 'rows' | 'size' | 'tune' | 'lrs' | 'training' | 'samples'> {
  /** Folder of the base model. */
  model: string;
  /** What training, dev and test rows are drawn from. */
  train: DataSource;
  /** Further rows, all of them tested on. */
  test: DataSource[];
  /** Each once. */
  contestants: Contestant[];
  /** Each once; the first is the one that learning rates are tried with. */
  seeds: number[];
  engine: Pick<TrainOptions, 'device' | 'threads'>;
  /** Folder of all that it writes; one of an earlier comparison with the same settings is gone on with. */
  out: string;
}

export type CompareEvent =
  | StageProgress
  | WarningEvent
  /** Of the learning rates that were tried the best was tested. */
  | { kind: 'tested'; record: RunRecord }
  /** A run has ended, or (`kept`) had ended before. */
  | { kind: 'run'; record: RunRecord; kept: boolean; done: number; total: number; remainingSeconds: number | null };
