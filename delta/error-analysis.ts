import type { ClassAverages, ClassScores } from './class-scores';
import type { Confusion } from './confusion';
import type { QueryRanking } from './relevance-metrics';
import type { ThresholdCurves } from './threshold-curves';

/** What a model gets right and wrong on labelled rows, by class and by row. */
export interface ErrorAnalysis {
  /** Number of rows. */
  rows: number;
  /** What the classes' counts count; absent for numbers and relevance, which have no classes. */
  unit?: ErrorUnit;
  /** Each class, label, tag or type of entity, in the logits' order; absent without classes. */
  classes?: ClassScores[];
  /** Means over the classes; absent without classes. */
  averages?: ClassAverages;
  /** Confusion matrix; absent without classes. */
  confusion?: Confusion;
  /** Curves over the threshold, with several labels per row; else absent. */
  thresholdCurves?: ThresholdCurves;
  /** Number of wrongly predicted rows; of a relevance, of queries with an nDCG@10 below 1. */
  wrong: number;
  /** Rows that the model is most wrong about, the worst first. */
  worst: WorstRow[];
}

/** Cases that an error analysis counts. */
export type ErrorUnit = 'rows' | 'words' | 'entities';

export const ERROR_UNITS = ['rows', 'words', 'entities'] as const satisfies readonly ErrorUnit[];

/** Label or prediction of a row: a class, a number, its labels, or a tag per word. */
export type RowAnswer = string | number | string[];

/** Row that a model is wrong about. */
export interface WorstRow {
  /** Number of the row, as in predictions. */
  row: number;
  /** Loss of the row: the larger, the less probable the model found the label. */
  loss: number;
  /** Label of the row. */
  label: RowAnswer;
  /** Prediction of the model; of a relevance its probability. */
  predicted: RowAnswer;
  /** Text of the row, or the query; absent if texts are left out, or words are given. */
  text?: string;
  /** Second text of a pair. */
  second?: string;
  /** Words that the tags in `label` and `predicted` belong to. */
  words?: string[];
  /** Number of the first word in these lists, if it is not 0. */
  firstWord?: number;
  /** Place of the row in its query, for a relevance. */
  ranking?: QueryRanking & {
    /** First row of the query. */
    first: {
      /** Number of the row. */
      row: number;
      /** Probability of its relevance. */
      predicted: number;
      /** Its second text; absent if texts are left out. */
      second?: string;
    };
  };
}
