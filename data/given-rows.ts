import type { NamedProblem } from './problem';
import type { TaskName } from './tasks';

/** Rows of a request. */
export interface GivenRows extends NamedProblem {
  source: RowsSource;
  /** A GLUE task, whose columns are known. */
  task?: TaskName;
  /** One or two column names, for a file with columns. */
  textColumns?: string[];
  labelColumn?: string;
  /** Columns of 0 or 1 that are named for their labels, instead of `labelColumn`. */
  labelColumns?: string[];
  /** Text between the labels of a cell, with several labels per row. */
  labelSeparator?: string;
  /** Delimiter of CSV or TSV fields. */
  delimiter?: string;
}

/** Place of a request's rows. */
export type RowsSource =
  /** A file below a data root, as the client wrote its path. */
  | { kind: 'path'; path: string }
  /** A stored file with its original name, whose extension gives the format. */
  | { kind: 'artifact'; sha256: string; name: string }
  | InlineRows;

/** Rows inside a request: row i is `texts[i]` with `secondTexts[i]` and `labels[i]`. */
export interface InlineRows {
  kind: 'inline';
  /** At least one. */
  texts: string[];
  secondTexts?: string[];
  labels?: string[];
}
