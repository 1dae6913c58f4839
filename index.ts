/// <reference types="node" preserve="true" />
/**
 * The library: each step of `hifi` as a function. Those that compute do so in a child process; they are async generators that
 * yield progress, return the result and end within a step of their `AbortSignal`.
 */
export { analyze } from './analyzer/engine';
export { ANALYSIS_DEFAULTS, type AnalysisOptions } from './analyzer/options';
export type { AnalysisEvent, AnalyzeRequest } from './analyzer/request';
export { type Compared, compare } from './compare/comparison';
export type { Contestant } from './compare/contestants';
export type { CompareEvent, CompareRequest } from './compare/request';
export { type ComparisonResults, summarise } from './compare/summary';
export type { DataSource } from './data/dataset';
export type { TaskName } from './data/tasks';
export { type ErrorCode, HifiError } from './errors';
export { estimate, type JobEstimate } from './gateway/estimate';
export { readHeads, readMask, readMetrics, readScores, writeJson } from './gateway/files';
export {
  type JobEvent,
  type JobPlace,
  type JobResult,
  type JobSpec,
  type JobStages,
  type JobState,
  runJob,
} from './gateway/job';
export type { Mask, MaskHead, Strategy, Tune } from './heads/mask';
export { RANKING_DEFAULTS, type RankingOptions } from './heads/ranking';
export type { HeadReport } from './heads/report';
export type { HeadScores } from './heads/scores';
export { SELECTION_DEFAULTS, type SelectionOptions, selectHeads as select } from './heads/select';
export { type Checkpoint, openCheckpoint } from './model/checkpoint';
export { resolveModel } from './model/resolve';
export { type ReportParts, renderReport } from './report/report';
export { type AdapterExport, exportAdapter } from './results/adapter-export';
export { type CheckpointExport, exportCheckpoint } from './results/checkpoint-export';
export { type Delta, readDelta } from './results/delta';
export type { EvaluateRequest, EvaluateResult, PredictEvent, Prediction } from './results/inference';
export { undoCheckpoint } from './results/undo';
export { evaluate, predict, scoreHeads as score, train } from './trainer/engine';
export { exportOnnx, type OnnxExport } from './trainer/onnx-export';
export {
  type EpochMetrics,
  TRAIN_DEFAULTS,
  type TrainEvent,
  type TrainMetrics,
  type TrainOptions,
  type TrainRequest,
} from './trainer/options';
export { SCORE_DEFAULTS, type ScoreEvent, type ScoreOptions, type ScoreRequest } from './trainer/score-options';
