import type { DataSource } from '../data/dataset';
import type { TrainOptions } from '../delta/training-options';
import type { StageProgress, WarningEvent } from '../foundation/progress';
import type { Method } from './methods';
import type { RunPlace } from './run-place';
import type { RunRecord } from './run-record';
import type { ComparisonSettings } from './settings';

/** A comparison on one dataset. */
export interface CompareRequest
  extends Pick<ComparisonSettings, 'rows' | 'size' | 'tune' | 'lrs' | 'training' | 'samples'> {
  /** Folder of the base model. */
  model: string;
  /** File that training, dev and test rows are drawn from. */
  train: DataSource;
  /** Further files, all rows of which are test rows. */
  test: DataSource[];
  /** Methods, without repetition. */
  methods: Method[];
  /** Seeds, without repetition. The learning rates are compared on the first. */
  seeds: number[];
  engine: Pick<TrainOptions, 'device' | 'threads'>;
  /** Where the heads' methods train. Default: in child processes, one after the other. */
  place?: RunPlace;
  /** Folder of all results. A comparison with the same settings there is continued. */
  out: string;
}

export type CompareEvent =
  | StageProgress
  | WarningEvent
  /** The best of the learning rates was tested. */
  | { kind: 'tested'; record: RunRecord }
  /** A run has ended; `stored`: in an earlier call. */
  | { kind: 'run'; record: RunRecord; stored: boolean; done: number; total: number; remainingSeconds: number | null };
