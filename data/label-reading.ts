import { invalidInput } from '../foundation/errors';
import { type Dataset, type Label, rowName } from './dataset';
import type { RowCells } from './row-cells';
import type { Strata } from './split';

/**
 * Label of a row as numbers: a class index or a value; with several labels per row 1 or 0 for each
 * label, [C]; the class index of each word; or a judgement of relevance. Only the entries of the
 * problems' tables look into it.
 */
export type Target = number | Uint8Array | Int32Array | Judgement;

/** Relevance of a row's second text to its first text, the query. */
export interface Judgement {
  /** Number of the query: rows with the same first text have the same one. */
  query: number;
  /** Relevance, 0 … 1. */
  relevance: number;
}

/** Labels of rows as numbers. // [n] */
export type Targets = ArrayLike<Target>;

/** Rules for reading the labels of a problem. Each problem's methods receive its own targets. */
export interface LabelReading {
  /** True if labels are names: the label set lists them, and a Parquet column may store them. */
  readonly named: boolean;
  /** True if a row may have several labels: a list, a joined text, or a column per label. */
  readonly several: boolean;
  /** True if a row must have two texts. */
  readonly pairs: boolean;
  /** True if a row's text is words with a label each. Default: false. */
  readonly words?: true;
  /**
   * Label of a row, as its file has it.
   * @throws HifiError INVALID_INPUT, naming row, column and value
   */
  read(cells: RowCells): Label;
  /**
   * Names in the training rows.
   *
   * @throws HifiError INVALID_INPUT if no model can be trained on them
   */
  names(train: Dataset): readonly string[];
  /**
   * Encodes the labels of some rows.
   * @param owner subject and verb before the list of known names in messages
   * @throws HifiError INVALID_INPUT, naming the row and label
   */
  encode(dataset: Dataset, names: readonly string[], owner: string): Targets;
  /** Strata of rows, for a hold-out split in which each has its share. */
  strata(targets: Targets): Strata;
  /** Description of the labels for messages. */
  described(names: readonly string[]): string;
}

/** Labels of a dataset. @throws HifiError INVALID_INPUT if they were not read */
export function labelsOf(dataset: Dataset): Label[] {
  if (!dataset.labels) throw invalidInput(`${dataset.path}: the labels were not read`);
  return dataset.labels;
}

/** The column of a dataset's labels, for messages; empty if they have none of their own. */
export const inLabelColumn = ({ labelColumn }: Dataset) =>
  labelColumn === undefined ? '' : ` in the column "${labelColumn}"`;

/** Error for a label. @param what what would be right */
export const refusedLabel = (dataset: Dataset, index: number, label: Label, what: string) =>
  invalidInput(`${rowName(dataset, index)} has the label "${label}"${inLabelColumn(dataset)}; ${what}`);

export const isNumber = (text: string) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);

/** Sorts names, by value if all are numbers. */
export function sortNames(names: string[]): string[] {
  const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  if (!names.every(isNumber)) return names.sort(byText);
  return names.sort((a, b) => Number(a) - Number(b) || byText(a, b));
}

/** The first names of a list, for messages. */
export function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name}"`);
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
}
