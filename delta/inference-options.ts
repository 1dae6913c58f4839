import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import type { Device } from '../foundation/device';
import type { StageProgress, WarningEvent } from '../foundation/progress';
import { ENGINE_RULES, optionsCheck, wholeFrom1 } from '../heads/options';

/** How a tuned model is run. */
export interface InferenceOptions {
  /** Rows at a time, ≥ 1. */
  batchSize: number;
  /** Tokens a row is cut at, special tokens counted, ≥ 1. */
  maxLength: number;
  /** Where it computes. */
  device: Device;
  /** Cores the engine may use; all when absent. */
  threads?: number;
}

/** Rows to run a tuned model on. */
export interface EvaluateRequest {
  /** Folder of the base model; of a merged checkpoint or of an exported ONNX model when `delta` is absent. */
  model: string;
  modelName?: string;
  /** Folder of the delta. */
  delta?: string;
  data: DataSource;
  /**
   * Seed of a training without dev rows: selects the tenth of `data` that it held out. All rows
   * when absent.
   */
  heldOutBy?: number;
  options: InferenceOptions;
}

/** How a tuned model does on labelled rows. */
export interface EvaluateResult {
  /** The GLUE task whose metrics these are; null for other rows. */
  task: string | null;
  /** The one of `metrics` that decides, larger is better. */
  metric: string;
  /** Rows that were judged. */
  rows: number;
  /** Mean cross-entropy, of a regression mean squared error. */
  loss: number;
  /** By name, such as `accuracy`, `f1`, `matthews`, `pearson`. */
  metrics: Record<string, number>;
}

/** One predicted row: what the model answers, and the raw logits. */
export interface Prediction {
  /** Its number: of rows at hand the index, of a file 0 for the first after a header. */
  row: number;
  /** The most likely class as the training file wrote it, or the number of a regression. */
  label: string | number;
  /** One a class, in the order of the labels' numbers; of a regression one: [C]. */
  logits: number[];
}

export type PredictEvent = StageProgress | WarningEvent | { kind: 'rows'; rows: Prediction[] };

const schema = z.object({ batchSize: wholeFrom1, maxLength: wholeFrom1, ...ENGINE_RULES });

/** Checks the options of an inference; see {@link optionsCheck}. */
export const inferenceOptions = optionsCheck<InferenceOptions>('inference', schema, {});
