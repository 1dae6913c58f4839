import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import type { Device } from '../foundation/device';
import { invalidPart } from '../foundation/errors';
import type { StageProgress, WarningEvent } from '../foundation/progress';

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

const wholeFrom1 = z.int('must be a whole number from 1').min(1, 'must be at least 1');
const schema = z.object({
  batchSize: wholeFrom1,
  maxLength: wholeFrom1,
  device: z.enum(['auto', 'cpu', 'cuda'], 'must be auto, cpu or cuda'),
  threads: wholeFrom1.max(1024, 'must be at most 1024').optional(),
});

/**
 * @param said what a message calls an option
 * @throws HifiError INVALID_INPUT naming the option, its value and what would be right; `field` is the option.
 */
export function checkInference(
  options: InferenceOptions,
  said: (option: string) => string = (option) => `option ${option}`,
): void {
  const { error } = schema.safeParse(options);
  if (!error) return;
  const [{ path, message }] = error.issues;
  const name = path[0] as keyof InferenceOptions;
  throw invalidPart(name, `${said(name)} is ${JSON.stringify(options[name]) ?? 'missing'}; it ${message}`);
}
