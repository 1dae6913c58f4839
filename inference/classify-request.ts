import type { LabelSet } from '../data/problem';
import type { Entity } from '../delta/inference-options';

/** Texts to classify with each of some deltas on one base, or with a tuned model. */
export interface ClassifyRequest {
  /** Folder of the model. */
  model: string;
  /** Folders of the deltas; none for a merged checkpoint or an exported ONNX folder. */
  deltas: readonly string[];
  texts: readonly string[];
  /** Second texts of pairs: as many as texts. */
  seconds?: readonly string[];
  /** Given words of each text, which a model of words tags. */
  words?: readonly (readonly string[] | undefined)[];
  /** Longest text in tokens, special tokens included. Default: that of a delta's training. */
  maxLength?: number;
}

/** A label and its probability; without a name for a number or a relevance. */
export interface ScoredLabel {
  /** The label; empty for a number or a relevance. */
  label: string;
  /** Probability 0 … 1; the number of a regression. */
  score: number;
}

/** Answers with one task head. */
export interface HeadAnswers {
  labels: LabelSet;
  /** Answer for each text. */
  rows: Classified[];
}

/** Answer for a text with one task head. */
export interface Classified {
  /** All labels, the most likely first. Empty for words. */
  labels: ScoredLabel[];
  /** Logits in the order of the class numbers; none for words. // [C] */
  logits: number[];
  /** Entities of a text without given words, where words have tags. */
  entities?: Entity[];
  /** Tag of each given word. */
  tags?: string[];
}
