import type { Hash } from 'node:crypto';

/** One record of a file. Fields are made when they are asked for, so that unused columns cost nothing. */
export interface TableRecord {
  /** The line it starts on, from 1, as an editor counts; Parquet has none. */
  readonly line?: number;
  /** True for a blank line; absent in formats whose records all have names. */
  readonly blank?: boolean;
  /** How many fields it has; a blank line has one, the empty string. */
  readonly width: number;
  /**
   * Field `index` as text; undefined where the record has no such field, or null in it.
   * @throws HifiError INVALID_INPUT when it is no text, number or boolean
   */
  field(index: number): string | undefined;
  /**
   * Class names whose indexes column `index` holds, in a Parquet header record; undefined for
   * another column.
   */
  classes?(index: number): readonly string[] | undefined;
}

/** How a pass over a file is made. */
export interface Pass {
  /** Is given all of the file's bytes, as they lie there. */
  hash?: Hash;
  /** The columns that are read, where a format can leave the others alone; none: the first record is enough. */
  columns?: readonly string[];
  /** Delimiter of the fields, if a format has one. Default: a tab in TSV, a comma in CSV. */
  delimiter?: string;
}

/**
 * A pass over the records of a file, some at a time. The first record holds the columns' names, but for a TSV or CSV file
 * without a header.
 */
export type Records = AsyncGenerator<TableRecord[], void, void>;

/** All fields of a record. */
export const fieldsOf = (record: TableRecord) =>
  Array.from({ length: record.width }, (_, at) => record.field(at) ?? '');
