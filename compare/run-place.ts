import type { DataSource } from '../data/dataset';
import type { TrainMetrics, TrainOptions } from '../delta/training-options';
import type { StageProgress } from '../foundation/progress';
import type { AnalysisOptions } from '../heads/analysis-options';
import type { Mask } from '../heads/mask';
import type { SelectionOptions } from '../heads/select';

/** Run of a comparison with all that it depends on: it measures, selects and trains. */
export interface PlacedRun {
  /** As `runName` forms it. */
  name: string;
  train: DataSource;
  dev: DataSource;
  analysis: AnalysisOptions;
  selection: SelectionOptions;
  training: TrainOptions;
}

/** Result of a run. A training whose loss was not finite has a `failure` instead of metrics. */
export interface RunResult {
  mask: Mask;
  metrics?: TrainMetrics;
  failure?: string;
  /** Seconds of the measurement from which the heads were chosen. */
  measuredSeconds: number;
  /** Wall time of the training; absent on other machines, where a run waits. */
  trainedSeconds?: number;
}

/** Machines other than this one that train runs, several at once. */
export interface RunPlace {
  /** Begins a run, after those that have begun before. */
  begin(run: PlacedRun): void;
  /** Waits for a run's end. Writes the delta into `delta/` of the folder. */
  result(run: PlacedRun, folder: string, signal: AbortSignal): AsyncGenerator<StageProgress, RunResult>;
}
