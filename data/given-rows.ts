import type { NamedProblem } from './problem';
import type { TaskName } from './tasks';

/** Rows as a request names them. */
export interface GivenRows extends NamedProblem {
  source: RowsSource;
  /** A GLUE task, which names its columns itself. */
  task?: TaskName;
  /** One or two, of a file with columns. */
  textColumns?: string[];
  labelColumn?: string;
  /** Delimiter of CSV or TSV fields. */
  delimiter?: string;
}

export type RowsSource =
  /** A file below a data root, as the client wrote it. */
  | { kind: 'path'; path: string }
  /** A kept file, and the name that it had: its extension tells the format. */
  | { kind: 'artifact'; sha256: string; name: string }
  | InlineRows;

/** The rows themselves: row i is `texts[i]` with `secondTexts[i]` and `labels[i]`. */
export interface InlineRows {
  kind: 'inline';
  /** At least one. */
  texts: string[];
  secondTexts?: string[];
  labels?: string[];
}
