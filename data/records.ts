import type { Hash } from 'node:crypto';

/** Record of a file. A field is decoded when it is requested, so unused columns cost nothing. */
export interface TableRecord {
  /** Line on which it starts, from 1; absent in Parquet. */
  readonly line?: number;
  /** True for a blank line; absent in formats whose records all have names. */
  readonly blank?: boolean;
  /** Number of fields; a blank line has one, the empty string. */
  readonly width: number;
  /**
   * Field `index` as text; undefined if the record has no such field, or null in it.
   * @throws HifiError INVALID_INPUT if it is no text, number or boolean
   */
  field(index: number): string | undefined;
  /**
   * Items of a list in field `index`; undefined if the field is no list. Absent in formats without
   * lists.
   * @throws HifiError INVALID_INPUT if an item is no text, number or boolean
   */
  list?(index: number): readonly string[] | undefined;
  /**
   * Class names whose indexes column `index` holds, in a Parquet header record; undefined for
   * another column.
   */
  classes?(index: number): readonly string[] | undefined;
}

/** Options of a pass over a file. */
export interface Pass {
  /** Is updated with all bytes of the file, before they are unpacked. */
  hash?: Hash;
  /**
   * Indexes of the columns to read, in formats that can skip the others. If there are none, the
   * first record is enough.
   */
  columns?: readonly number[];
  /** Those of `columns` whose values may be lists. */
  lists?: readonly number[];
  /** Delimiter of the fields, if a format has one. Default: a tab in TSV, a comma in CSV. */
  delimiter?: string;
}

/**
 * Records of a file, in groups. The first record holds the columns' names, except in a TSV or CSV
 * file without a header.
 */
export type Records = AsyncGenerator<TableRecord[], void, void>;

/** All fields of a record. */
export const fieldsOf = (record: TableRecord) =>
  Array.from({ length: record.width }, (_, at) => record.field(at) ?? '');
