import type { ExportDtype } from '../delta/checkpoint-export';
import type { ExportFormat } from '../delta/export-request';
import type { InferenceOptions } from '../delta/inference-options';
import type { ScoreOptions } from '../delta/score-options';
import type { TrainOptions } from '../delta/training-options';
import type { AnalysisOptions } from '../heads/analysis-options';
import type { HeadReport } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import type { ScoreStrategy } from '../heads/scores';
import type { SelectionOptions } from '../heads/select';
import type { Credentials } from '../infra/grpc/credentials';
import type { OnnxDtype } from '../model/onnx-dtype';
import type { Rows } from './text-rows';

/** Model of a request. */
export interface ModelRequest {
  /**
   * Base model: a folder with config.json, safetensors and a tokenizer, or a name, which
   * `resolveModel` resolves and downloads on first use.
   */
  model: string;
}

/** Request of `analyze`. */
export interface AnalyzeRequest extends ModelRequest {
  /** Rows that the sample is drawn from; labels are not needed. */
  data: Rows;
  /** Options that differ from `ANALYSIS_DEFAULTS`. */
  options?: Partial<AnalysisOptions>;
}

/** Request of `score`. */
export interface ScoreRequest extends ModelRequest {
  /** Labelled rows. The tenth that a training without dev rows holds out is not scored. */
  train: Rows;
  /** Strategy that defines the score; see `HeadScores.scores`. */
  strategy: ScoreStrategy;
  /** Options that differ from `SCORE_DEFAULTS`. */
  options?: Partial<ScoreOptions>;
}

/** Folder of the results. */
export interface OutFolder {
  /** New or empty folder, unless `resume` or `overwrite` is given; created if missing. */
  out: string;
  /** Continues an interrupted run; the result is bit-identical. Default: false. */
  resume?: boolean;
  /** Replaces an earlier result; a folder that holds anything else is refused. Default: false. */
  overwrite?: boolean;
}

/** Request of `train`. */
export interface TrainRequest extends ModelRequest, OutFolder {
  /** Labelled rows. */
  train: Rows;
  /** Rows for the evaluation of each epoch. Default: a held-out, seeded tenth of `train`. */
  dev?: Rows;
  /** Heads to tune, of this very model: result of `select` or `readMask`. */
  mask: Mask;
  /** Options that differ from `TRAIN_DEFAULTS`. */
  options?: Partial<TrainOptions>;
}

/** Tuned model and rows. */
export interface InferenceRequest extends ModelRequest {
  /** Folder of a training's delta. Absent if `model` is a merged checkpoint or an ONNX folder. */
  delta?: string;
  /** Rows. A file without `task` and `textColumns` has those of the model's training task. */
  data: Rows;
  /**
   * Options that differ from the defaults: batches of 32 rows, the training's `maxLength` (128 if
   * it is unknown), device `auto`.
   */
  options?: Partial<InferenceOptions>;
}

/** Request of `predict`. */
export interface PredictRequest extends InferenceRequest {
  /**
   * Address of a running analyzer that predicts, `HOST:PORT`. The service then reads `model` and
   * `delta`: a folder must be below one of its data roots, and `delta` may be a registered name,
   * `NAME`, `NAME@ALIAS` or `NAME:VERSION`. `batchSize` is the number of rows per call; of the
   * other options `maxLength` may be given. Default: none; a child process predicts.
   */
  analyzer?: string;
  /** Credentials for the analyzer. Default: no token, and no TLS. */
  credentials?: Credentials;
}

/** Request of `evaluate`. */
export interface EvaluationRequest extends InferenceRequest {
  /** Leaves the texts of the worst rows out of the result. Default: false. */
  omitTexts?: boolean;
}

/** Request of `ablate`. */
export interface AblationRequest extends InferenceRequest {
  /** Folder of a training's delta. */
  delta: string;
  /**
   * Analysis of the base, whose PageRank has the last heads: result of `analyze` or `readHeads`.
   * Default: no last heads.
   */
  heads?: HeadReport;
  /** Seed of the drawn heads and of the bootstrap; unsigned 32-bit. Default: 0. */
  seed?: number;
}

/** Request of `exportModel`. */
export interface ExportRequest extends ModelRequest {
  /** Folder of the training's delta. */
  delta: string;
  /**
   * `checkpoint`: the merged model for Hugging Face transformers, from which `undoCheckpoint`
   * restores the base. `peft`: a LoRA adapter for PEFT. `onnx`: the merged model for onnxruntime
   * and transformers.js.
   */
  format: ExportFormat;
  /** Number type of a checkpoint. Default: float32. */
  dtype?: ExportDtype;
  /** Number types of an ONNX folder; each gives one file, see `OnnxDtype`. Default: fp32. */
  onnxDtypes?: readonly OnnxDtype[];
  /** New or empty folder, unless `overwrite` is given; appears whole or not at all. */
  out: string;
  /** Replaces an earlier export; a folder that holds anything else is refused. Default: false. */
  overwrite?: boolean;
}

/** Request of `runJob` and `estimate`: everything that the results depend on. */
export interface JobRequest extends ModelRequest {
  /** Labelled rows for analysis and training. */
  train: Rows;
  /** Rows for the evaluation of each epoch. Default: a held-out, seeded tenth of `train`. */
  dev?: Rows;
  /** Options that differ from `ANALYSIS_DEFAULTS`; `k` is that of the selection. */
  analysis?: Partial<AnalysisOptions>;
  /** Options that differ from `SELECTION_DEFAULTS`; ranking options default to `analysis`. */
  selection?: Partial<SelectionOptions>;
  /** Options that differ from `TRAIN_DEFAULTS`. */
  training?: Partial<TrainOptions>;
  /** Folders to write beside the delta. Default: none. */
  exports?: readonly ExportFormat[];
  /** Number types of an ONNX export; each gives one file, see `OnnxDtype`. Default: fp32. */
  onnxDtypes?: readonly OnnxDtype[];
}
