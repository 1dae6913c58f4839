/// <reference types="node" preserve="true" />
/**
 * The library of `hifi`: each step as a function, and all steps as {@link runJob}.
 *
 * Long work returns a {@link Run}: `await` it for its result, iterate it for its progress, end it
 * with an `AbortSignal`. The work runs in a child process, so it does not block this one. Every
 * error is a {@link HifiError} with a code.
 *
 * Matrices are arrays of rows. `[L][H]` has one number per head: the first index is the layer, the
 * second the head, both from 0. `[L·H][L·H]` has one number per pair of heads, and head `h` of
 * layer `l` has the index `l·H + h`. Formulas are those of HiFi (Gui & Xiao, ACL 2023), as
 * `docs/method.md` reads them.
 *
 * @packageDocumentation
 */

export type { NamedFile } from './data/bytes';
export type { DataSource } from './data/dataset';
export type { DataFormat } from './data/format';
export { type NamedProblem, PROBLEM_TYPES, type ProblemType } from './data/problem';
export type { TaskName } from './data/tasks';
export type { Ablation, DrawnHeads, GatedHeads, GatedMetric } from './delta/ablation';
export type { ExportDtype } from './delta/checkpoint-export';
export type { ClassAverages, ClassScores, Counts, PrecisionRecall } from './delta/class-scores';
export type { Confusion } from './delta/confusion';
export type { Delta, DeltaTensor } from './delta/delta';
export type { DeltaInfo, TaskHeadInfo, TrainedWith } from './delta/delta-info';
export type { ErrorAnalysis, ErrorUnit, RowAnswer, WorstRow } from './delta/error-analysis';
export { EXPORT_FORMATS, type ExportFormat, type ExportResult } from './delta/export-request';
export type { Entity, EvaluateResult, InferenceOptions, Prediction, RowAnswers } from './delta/inference-options';
export type { OnnxModel } from './delta/onnx-folder';
export type { StoredProblem } from './delta/problems';
export type { QueryRanking } from './delta/relevance-metrics';
export type { MetricEstimate, MetricInterval } from './delta/resampled-metric';
export { SCORE_DEFAULTS, type ScoreOptions } from './delta/score-options';
export type { Curve, LabelCurve, ThresholdCurves } from './delta/threshold-curves';
export {
  type CheckpointEvent,
  type EpochEvent,
  type EpochMetrics,
  type RateChoice,
  type RateEvent,
  TRAIN_DEFAULTS,
  type TrainMetrics,
  type TrainOptions,
  type TriedRate,
} from './delta/training-options';
export { type Rebuilt, undoCheckpoint } from './delta/undo';
export type { Device } from './foundation/device';
export { type ErrorCode, HifiError } from './foundation/errors';
export type { Precision } from './foundation/precision';
export type { StageProgress, WarningEvent } from './foundation/progress';
export { ANALYSIS_DEFAULTS, type AnalysisOptions } from './heads/analysis-options';
export type { HeadPlace } from './heads/head-groups';
export type {
  CorrelationKind,
  HeadParameters,
  HeadReport,
  LayerParameters,
  NeuronSizes,
  PerHead,
  RankCorrelations,
  ReportData,
  ReportModel,
  ReportOptions,
  Scope,
  Teleport,
} from './heads/head-report';
export { type Mask, type MaskHead, type MaskNeuron, STRATEGIES, type Strategy } from './heads/mask';
export { RANKING_DEFAULTS, type Ranking, type RankingOptions } from './heads/ranking';
export { type HeadScores, NEURON_SCORE_STRATEGIES, SCORE_STRATEGIES, type ScoreStrategy } from './heads/scores';
export { SELECTION_DEFAULTS, type SelectionOptions } from './heads/select';
export { HEAD_ROLES, type HeadRole, type HeadTune, type Tune } from './heads/tune';
export type { Classified, ScoredLabel } from './inference/classify-request';
export type { Credentials } from './infra/grpc/credentials';
export type { JobEstimate } from './job/estimate';
export { readHeads, readMask, readMetrics, readScores, writeJson } from './job/files';
export {
  type ArtifactEvent,
  JOB_PATH,
  type JobEvent,
  type JobResult,
  type JobState,
  type StateEvent,
} from './job/job';
export { Classifier, type ClassifierRequest, type ClassifyOptions, type DeltaAnswers } from './library/classifier';
export type { AnalyzeEvent, TrainEvent } from './library/events';
export { estimate, runJob } from './library/job';
export { Analyzer, type AnalyzerOptions, analyze, rank, score, select } from './library/measure';
export type {
  AblationRequest,
  AnalyzeRequest,
  EvaluationRequest,
  ExportRequest,
  InferenceRequest,
  JobRequest,
  ModelRequest,
  OutFolder,
  PredictRequest,
  ScoreRequest,
  TrainRequest,
} from './library/requests';
export type { Run, RunOptions } from './library/run';
export type { Rows, TextRows } from './library/text-rows';
export { ablate, evaluate, exportModel, predict, readDelta, train } from './library/tune';
export type { TensorPart } from './model/architecture';
export type { OnProgress } from './model/fetch';
export { ONNX_DTYPES, type OnnxDtype } from './model/onnx-dtype';
export { type ResolveOptions, resolveModel } from './model/resolve';
export type { Asked, ReportParts } from './report/parts';
export { renderReport } from './report/render-report';
export { writeReportInChild as writeReport } from './report/write-report';
