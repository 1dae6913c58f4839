import * as path from 'node:path';
import type { NamedFile } from './bytes';
import type { DataFormat } from './format';
import type { NamedProblem, ProblemType } from './problem';
import { mismatchedSibling, type TaskName } from './tasks';

/**
 * Source of rows: a file, a folder of files or several files, and the place of texts and labels in
 * them. The place is a GLUE task's own layout or named columns.
 */
export interface DataSource extends NamedFile, NamedProblem {
  /**
   * Further files or folders, whose rows follow. All files of a source have one format, and each
   * has its own header; row numbers continue from file to file.
   */
  more?: readonly NamedFile[];
  /** A GLUE task, whose columns and labels are known. Default: columns are named. */
  task?: TaskName;
  /** One or two column names; none with a task or a plain text, or for the columns of CoNLL. */
  textColumns?: string[];
  /** A column name, if labels are needed; none with a task or `labelColumns`. */
  labelColumn?: string;
  /**
   * Columns of 0 or 1, one per label, whose names are the labels; for the problem `multi-label`,
   * instead of `labelColumn`.
   */
  labelColumns?: string[];
  /**
   * Text between the labels of a cell that is no list, for the problem `multi-label`. Default:
   * `|`.
   */
  labelSeparator?: string;
  /** Format of the files. Default: by the file's extension. */
  format?: DataFormat;
  /** Delimiter of CSV or TSV fields. Default: a comma in CSV, a tab in TSV. */
  delimiter?: string;
}

/** Default text between the labels of a cell. */
export const LABEL_SEPARATOR = '|';

/** Label of a row: its text, trimmed; with several labels, or one per word, their names. */
export type Label = string | readonly string[];

/** Rows of a source. Index `i` of `texts`, `seconds` and `labels` is one row. */
export interface Dataset {
  /** Name of the source in messages and reports. */
  path: string;
  /** Files of a source of several, in order, with the number of the first row of each. */
  parts?: readonly { path: string; from: number }[];
  /** SHA-256 of the whole file's bytes; for several files see `sourceSha256`. */
  sha256: string;
  texts: string[];
  /** Second texts of pairs. */
  seconds?: string[];
  /**
   * Words of each row of the problem `tokens`; `texts` has them joined by spaces. Undefined for a
   * text whose words are not given.
   */
  words?: (readonly string[] | undefined)[];
  /** Labels as the file has them; present if they were requested. */
  labels?: Label[];
  /** Name of the label column, if there is one. */
  labelColumn?: string;
  /** Names of the label columns, if each label has a column. */
  labelNames?: readonly string[];
  /** Number of rows, at least 1. */
  rows: number;
  /** Row numbers in the source (0 is the first after a header), unless they are 0 … rows − 1. */
  rowNumbers?: Int32Array;
  /** Number of rows that the task leaves out (see `Task`). */
  skipped: number;
  task?: TaskName;
  problem: ProblemType;
}

/** Returns the source's number of the dataset's row `index`; 0 is the first row after a header. */
export const rowNumber = (dataset: Dataset, index: number) => dataset.rowNumbers?.[index] ?? index;

/** Names the dataset's row `index` in messages: its file, and its number in that file. */
export function rowName(dataset: Dataset, index: number): string {
  const number = rowNumber(dataset, index);
  const part = dataset.parts?.findLast(({ from }) => from <= number);
  return part ? `${part.path}: row ${number - part.from}` : `${dataset.path}: row ${number}`;
}

/** Dataset of the given rows (indices into `dataset`), which keep their numbers in the file. */
export function selectRows(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const pick = <T>(values: T[]) => Array.from(indices, (index) => values[index]);
  return {
    ...dataset,
    texts: pick(dataset.texts),
    ...(dataset.seconds && { seconds: pick(dataset.seconds) }),
    ...(dataset.words && { words: pick(dataset.words) }),
    ...(dataset.labels && { labels: pick(dataset.labels) }),
    rows: indices.length,
    rowNumbers: Int32Array.from(indices, (index) => rowNumber(dataset, index)),
  };
}

/** MNLI's second dev file, if it exists beside the first; undefined for any other source. */
export function mismatchedRows(dev: DataSource): DataSource | undefined {
  const file = dev.task === 'mnli' && !dev.more ? mismatchedSibling(dev.file ?? dev.path) : undefined;
  if (file === undefined) return undefined;
  return { ...dev, path: path.join(path.dirname(dev.path), path.basename(file)), file };
}

/**
 * Part of each row that the caller needs: texts and label, texts alone, or texts that may be empty.
 * A label column that is not needed is not read.
 */
export type Need = 'labels' | 'texts' | 'empty texts';
