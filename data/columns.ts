import type { TaskName } from './tasks';

/** Column of a file. */
export interface Column {
  name: string;
  at: number;
  /** Class names of a Parquet label column, whose values are their indexes. */
  classes?: readonly string[];
}

/** Positions of a file's texts and labels. */
export interface Layout {
  texts: Column[];
  /** Columns of the labels; none if labels are not needed. */
  labels: Column[];
  /** Names of the label columns, if each label has a column. */
  labelNames?: readonly string[];
  /** Text between the labels of a cell, if it is not the default. */
  separator?: string;
  /** Task whose labels they are. */
  task?: TaskName;
  /** Names of the fields that each record must have. */
  names: string[];
  /** True if the first record holds the names. */
  header: boolean;
  /** True for GLUE's files, which may have more fields than the header, and empty texts. */
  lenient: boolean;
}
