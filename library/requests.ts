import type { ExportDtype } from '../delta/checkpoint-export';
import type { ExportFormat } from '../delta/export-request';
import type { InferenceOptions } from '../delta/inference-options';
import type { ScoreOptions } from '../delta/score-options';
import type { TrainOptions } from '../delta/training-options';
import type { AnalysisOptions } from '../heads/analysis-options';
import type { Mask } from '../heads/mask';
import type { ScoreStrategy } from '../heads/scores';
import type { SelectionOptions } from '../heads/select';
import type { OnnxDtype } from '../model/onnx-dtype';
import type { Rows } from './text-rows';

/** What every request names. */
export interface ModelRequest {
  /**
   * The base model: a folder with config.json, safetensors and a tokenizer, or a name, which is looked up and fetched on first use as
   * `resolveModel` does.
   */
  model: string;
}

/** What `analyze` measures. */
export interface AnalyzeRequest extends ModelRequest {
  /** What the sample is drawn from; labels are not needed. */
  data: Rows;
  /** Where other than `ANALYSIS_DEFAULTS`. */
  options?: Partial<AnalysisOptions>;
}

/** What `score` scores by gradients. */
export interface ScoreRequest extends ModelRequest {
  /** Labelled rows; the tenth that a training without dev rows holds out is left out. */
  train: Rows;
  /** Which score; see `HeadScores.scores`. */
  strategy: ScoreStrategy;
  /** Where other than `SCORE_DEFAULTS`. */
  options?: Partial<ScoreOptions>;
}

/** Where results go. */
export interface OutFolder {
  /** New or empty, unless `resume` or `overwrite` is given; made where it is missing. */
  out: string;
  /** Goes on with what an earlier run has left there, and ends in the same result, bit for bit. Default: false. */
  resume?: boolean;
  /** Replaces an earlier result there; a folder that holds anything else is refused. Default: false. */
  overwrite?: boolean;
}

/** What `train` tunes. */
export interface TrainRequest extends ModelRequest, OutFolder {
  /** Labelled rows. */
  train: Rows;
  /** Rows that the epochs are judged by. Default: a seeded tenth of `train`, which is not trained on. */
  dev?: Rows;
  /** The heads to tune, of this very model: what `select` gives, or `readMask`. */
  mask: Mask;
  /** Where other than `TRAIN_DEFAULTS`. */
  options?: Partial<TrainOptions>;
}

/** The rows that `evaluate` and `predict` run a tuned model on. */
export interface InferenceRequest extends ModelRequest {
  /** The folder of a training's delta, to be put on the base. Absent where `model` is a merged checkpoint or an ONNX folder. */
  delta?: string;
  /** Rows of a file without `task` and `textColumns` are those of the task that the model was trained for. */
  data: Rows;
  /** Default: 32 rows at a time, as many tokens as in the training (128 where it is not known), device `auto`. */
  options?: Partial<InferenceOptions>;
}

/** What `exportModel` makes of a base and a delta. */
export interface ExportRequest extends ModelRequest {
  /** The folder of the training's delta. */
  delta: string;
  /**
   * `checkpoint`: the merged model for Hugging Face transformers, from which `undoCheckpoint` gives the base back; `peft`: a LoRA
   * adapter for PEFT; `onnx`: the merged model for onnxruntime and transformers.js.
   */
  format: ExportFormat;
  /** Of a checkpoint's numbers. Default: float32. */
  dtype?: ExportDtype;
  /** Number types of an ONNX folder, a file each; see `OnnxDtype`. Default: fp32 alone. */
  onnxDtypes?: readonly OnnxDtype[];
  /** New or empty, unless `overwrite` is given; it appears whole or not at all. */
  out: string;
  /** Replaces an earlier export there; a folder that holds anything else is refused. Default: false. */
  overwrite?: boolean;
}

/** What `runJob` does, and `estimate` estimates: everything that the results depend on. */
export interface JobRequest extends ModelRequest {
  /** Labelled rows, to be analysed and trained on. */
  train: Rows;
  /** Rows that the epochs are judged by. Default: a seeded tenth of `train`, which is not trained on. */
  dev?: Rows;
  /** Where other than `ANALYSIS_DEFAULTS`; `k` is that of the selection. */
  analysis?: Partial<AnalysisOptions>;
  /** Where other than `SELECTION_DEFAULTS`; heads are ranked as `analysis` says, unless something else is said here. */
  selection?: Partial<SelectionOptions>;
  /** Where other than `TRAIN_DEFAULTS`. */
  training?: Partial<TrainOptions>;
  /** Folders to write beside the delta. Default: none. */
  exports?: readonly ExportFormat[];
  /** Number types of an ONNX export, a file each; see `OnnxDtype`. Default: fp32 alone. */
  onnxDtypes?: readonly OnnxDtype[];
}
