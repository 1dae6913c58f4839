import { z } from 'zod';
import type { DataSource } from '../data/dataset';
import { LONG_TEXTS, type LongTexts } from '../data/word-windows';
import type { Device } from '../foundation/device';
import type { Precision } from '../foundation/precision';
import type { StageProgress, WarningEvent } from '../foundation/progress';
import { optionsCheck, TENSORFLOW_RULES, wholeFrom1 } from '../heads/options';
import type { ErrorAnalysis } from './error-analysis';

/** Options of running a tuned model. */
export interface InferenceOptions {
  /** Number of rows per batch, ≥ 1. */
  batchSize: number;
  /** Number of tokens to which a row is truncated, special tokens included, ≥ 1. */
  maxLength: number;
  /** Treatment of longer rows: `cut`, or `windows` that overlap. Default: `cut`. */
  longTexts?: LongTexts;
  /** Number of tokens that neighbouring windows share, ≥ 0. Default: 64. */
  stride?: number;
  /** Device of the computation. */
  device: Device;
  /** Number of cores that the engine may use. Default: all. */
  threads?: number;
  /** Arithmetic of the matrix products. Default: `float32`. */
  precision?: Precision;
}

/** Request to run a tuned model on rows. */
export interface EvaluateRequest {
  /** Folder of the base model; without `delta` of a merged checkpoint or an exported ONNX model. */
  model: string;
  modelName?: string;
  /** Folder of the delta. */
  delta?: string;
  data: DataSource;
  /**
   * Seed of a training without dev rows. It selects the hold-out split of `data`, a tenth of the
   * rows. Default: all rows.
   */
  heldOutBy?: number;
  /** True to leave the texts of the worst rows out of the evaluation. Default: false. */
  omitTexts?: boolean;
  /** True to include the answer of each row. Default: false. */
  answers?: boolean;
  options: InferenceOptions;
}

/** Quality of a tuned model on labelled rows. */
export interface EvaluateResult {
  /** GLUE task of the metrics; null for other rows. */
  task: string | null;
  /** Name of the deciding metric in `metrics`; larger is better. */
  metric: string;
  /** Number of evaluated rows. */
  rows: number;
  /**
   * Mean cross-entropy, over a row's labels if it has several; mean squared error for a regression.
   */
  loss: number;
  /** Metrics by name, such as `accuracy`, `f1_micro`, `ndcg_at_10`, `pearson`. */
  metrics: Record<string, number>;
  /** Errors by class and by row. */
  errorAnalysis: ErrorAnalysis;
  /** Answers of all rows, if they were requested. */
  answers?: RowAnswers;
}

/** Answers of a model for labelled rows, in the order of the rows. */
export interface RowAnswers {
  /**
   * Answer of each row: its class, the numbers of its labels, the tag of each word, or its one
   * logit.
   */
  predicted: (number | number[])[];
  /** A digit per row: 1 if its answer is right, else 0. Absent if answers are free numbers. */
  right?: string;
}

/** Prediction of one row: its answer and its raw logits. */
export interface Prediction {
  /** Number of the row: the index of an inline row; in a file 0 is the first row after a header. */
  row: number;
  /** Most likely class, as in the training file; a number for a regression. Else absent. */
  label?: string | number;
  /** Labels of a multi-label model whose probability reaches their threshold; else absent. */
  labels?: string[];
  /** Probability of each label of a multi-label model; else absent. // [C] */
  probabilities?: number[];
  /** Tag of each given word of a row; else absent. */
  tags?: string[];
  /** Entities of a plain text whose words have tags; else absent. */
  entities?: Entity[];
  /** Relevance of the second text to the first, 0 … 1; absent for other problems. */
  score?: number;
  /**
   * Logits, one per label in the order of the class numbers, [C]; one for a number; none for words.
   */
  logits: number[];
}

/** Entity that a model finds in a plain text; if its tags name no entities, a word with its tag. */
export interface Entity {
  /** Type of the entity, such as `location`; the tag of a word. */
  label: string;
  /** Offset of its first character in the text, in UTF-16 units. */
  start: number;
  /** Offset after its last character. */
  end: number;
  /** Text from `start` to `end`. */
  text: string;
  /** Mean probability of its words' tags, 0 … 1. */
  score: number;
}

export type PredictEvent = StageProgress | WarningEvent | { kind: 'rows'; rows: Prediction[] };

/** Rules for the options of long texts. */
export const WINDOW_RULES = {
  longTexts: z.enum(LONG_TEXTS, LONG_TEXTS.join(' or ')).optional(),
  stride: z.int('an integer from 0').min(0, 'an integer from 0').optional(),
};

const schema = z.object({ batchSize: wholeFrom1, maxLength: wholeFrom1, ...WINDOW_RULES, ...TENSORFLOW_RULES });

/** Checks the options of an inference; see {@link optionsCheck}. */
export const inferenceOptions = optionsCheck<InferenceOptions>('inference', schema, {});
