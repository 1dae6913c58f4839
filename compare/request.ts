import type { DataSource } from '../data/dataset';
import type { TrainOptions } from '../delta/training-options';
import type { StageProgress, WarningEvent } from '../foundation/progress';
import type { Budget, Rung } from './budget';
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
  /** Budget that the runs must keep to. Default: none, and every run is made. */
  budget?: Budget;
  /** Folder of all results. A comparison with the same settings there is continued. */
  out: string;
}

export type CompareEvent =
  | StageProgress
  | WarningEvent
  /** The best of the learning rates was tested. */
  | { kind: 'tested'; record: RunRecord }
  /** A rung of a comparison within a budget has ended. */
  | { kind: 'rung'; rung: Rung }
  /** A run has ended. */
  | RunEvent;

/** Event of a run that has ended; `stored`: in an earlier call. */
export interface RunEvent {
  kind: 'run';
  record: RunRecord;
  /** Epochs of a rung's run; absent for a whole run. */
  epochs?: number;
  stored: boolean;
  done: number;
  /** Null within a budget. */
  total: number | null;
  remainingSeconds: number | null;
}
