import * as path from 'node:path';
import type { NamedFile } from './bytes';
import type { DataFormat } from './format';
import { mismatchedSibling, type TaskName } from './tasks';

/** A file of rows, and where in it the texts and labels are: a GLUE task's own layout, or named columns. */
export interface DataSource extends NamedFile {
  /** A GLUE task, whose columns and labels are known. Default: columns are named. */
  task?: TaskName;
  /** One or two header names; with a task or a plain text none. */
  textColumns?: string[];
  /** A header name, where labels are needed; with a task none. */
  labelColumn?: string;
  /** The label is a number to be predicted, not a class. A task knows by itself. */
  regression?: boolean;
  /** Default: by the file's extension. */
  format?: DataFormat;
}

/** The rows of a file. Index `i` of `texts`, `seconds` and `labels` is one row. */
export interface Dataset {
  path: string;
  /** SHA-256 of the whole file's bytes. */
  sha256: string;
  texts: string[];
  /** The second texts of pairs. */
  seconds?: string[];
  /** The labels as the file writes them, trimmed; there when they were asked for. */
  labels?: string[];
  /** How many rows there are, at least 1. */
  rows: number;
  /** Row numbers in the file (0 is the first after a header), where they are not simply 0 … rows − 1. */
  rowNumbers?: Int32Array;
  /** Rows of the file that were left out as the task prescribes (see `Task`). */
  skipped: number;
  task?: TaskName;
  regression: boolean;
}

/** The number in the file of the dataset's row `index`; 0 is the first row after a header. */
export const rowNumber = (dataset: Dataset, index: number) => dataset.rowNumbers?.[index] ?? index;

/** The given rows (indices into `dataset`) as a dataset of their own; they keep their numbers in the file. */
export function selectRows(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const pick = <T>(values: T[]) => Array.from(indices, (index) => values[index]);
  return {
    ...dataset,
    texts: pick(dataset.texts),
    ...(dataset.seconds && { seconds: pick(dataset.seconds) }),
    ...(dataset.labels && { labels: pick(dataset.labels) }),
    rows: indices.length,
    rowNumbers: Int32Array.from(indices, (index) => rowNumber(dataset, index)),
  };
}

/** MNLI's second dev file, where it lies beside the first; undefined for any other source. */
export function mismatchedRows(dev: DataSource): DataSource | undefined {
  const file = dev.task === 'mnli' ? mismatchedSibling(dev.file ?? dev.path) : undefined;
  if (file === undefined) return undefined;
  return { ...dev, path: path.join(path.dirname(dev.path), path.basename(file)), file };
}

/** What is needed of each row: its label too, or its texts alone; then a label column is neither needed nor read. */
export type Need = 'labels' | 'texts';
