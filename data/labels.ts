import { invalidInput } from '../foundation/errors';
import type { Dataset } from './dataset';
import { rowName } from './dataset';
import type { LabelSet, ProblemType } from './problem';
import { TASKS } from './tasks';

/** Labels as numbers: class indices or values. // [n] */
export type Targets = Int32Array | Float32Array;

/** Rules for reading the labels of a problem. */
interface LabelReading {
  /** True if labels are names: the label set lists them, and a Parquet column may store them. */
  readonly named: boolean;
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
  /** Description of the labels for messages. */
  described(names: readonly string[]): string;
}

/** Labels of each problem. */
export const LABELS: Readonly<Record<ProblemType, LabelReading>> = {
  'single-label': {
    named: true,
    names: classNames,
    encode: classIndices,
    described: (names) => `${names.length} classes`,
  },
  regression: { named: false, names: () => [], encode: numbers, described: () => 'a regression' },
};

/**
 * Collects the labels of the training rows. A task's classes have GLUE's order; others are sorted,
 * by value if all are numbers.
 * @throws HifiError INVALID_INPUT if there are fewer than two classes, or one that the task lacks
 */
export const fitLabels = (train: Dataset): LabelSet => ({
  problem: train.problem,
  names: LABELS[train.problem].names(train),
});

function classNames(train: Dataset): readonly string[] {
  const labels = labelsOf(train);
  const found = [...new Set(labels)];
  const names = train.task ? TASKS[train.task].labels.names : sortLabels(found);
  if (train.task) classIndices(train, names, `the task ${train.task} has`);
  if (found.length < 2) {
    throw invalidInput(`${train.path}: all ${train.rows} rows have the label "${found[0]}"; two classes are needed`);
  }
  return names;
}

/**
 * Warns of classes that differ only in letter case or in Unicode composition, one line per group.
 * They are most often one class written in two ways.
 */
export function labelWarnings({ path }: Dataset, set: LabelSet): string[] {
  const alike = new Map<string, string[]>();
  for (const name of set.names) {
    const key = name.normalize('NFC').toLowerCase().normalize('NFC');
    alike.set(key, [...(alike.get(key) ?? []), name]);
  }
  return [...alike.values()]
    .filter((names) => names.length > 1)
    .map((names) => {
      const composed = new Set(names.map((name) => name.normalize('NFC'))).size < names.length;
      const how = composed ? 'look the same but have different code points' : 'differ only in letter case';
      const shown = names.map((name) =>
        composed ? `${JSON.stringify(name)} (${codePoints(name)})` : JSON.stringify(name),
      );
      return `${path}: the labels ${shown.join(', ')} ${how}; they are ${names.length} classes`;
    });
}

/** Code points of a text, at most eight. */
function codePoints(text: string): string {
  const all = Array.from(
    text,
    (character) => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`,
  );
  return all.length > 8 ? `${all.slice(0, 8).join(' ')} …` : all.join(' ');
}

/**
 * Converts labels to numbers: class indices, or the values of a regression.
 * @param owner subject and verb before the list of known classes in the message
 * @throws HifiError INVALID_INPUT, with row and label, if a label is not in `set` or not a finite
 *   number
 */
export const encodeLabels = (
  dataset: Dataset,
  { problem, names }: LabelSet,
  owner = 'the training rows have',
): Targets => LABELS[problem].encode(dataset, names, owner);

function classIndices(dataset: Dataset, names: readonly string[], owner: string): Int32Array {
  const classOf = new Map(names.map((name, index) => [name, index]));
  return Int32Array.from(labelsOf(dataset), (label, index) => {
    const known = classOf.get(label);
    if (known === undefined) throw refused(dataset, index, `${owner} ${listOf(names)}`);
    return known;
  });
}

function numbers(dataset: Dataset): Float32Array {
  return Float32Array.from(labelsOf(dataset), (label, index) => {
    const value = isNumber(label) ? Math.fround(Number(label)) : Number.NaN;
    if (!Number.isFinite(value)) throw refused(dataset, index, 'a regression needs a finite number');
    return value;
  });
}

const refused = (dataset: Dataset, index: number, what: string) =>
  invalidInput(`${rowName(dataset, index)} has the label "${labelsOf(dataset)[index]}"; ${what}`);

function labelsOf(dataset: Dataset): string[] {
  if (!dataset.labels) throw invalidInput(`${dataset.path}: the labels were not read`);
  return dataset.labels;
}

const isNumber = (text: string) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);

function sortLabels(labels: string[]): string[] {
  const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  if (!labels.every(isNumber)) return labels.sort(byText);
  return labels.sort((a, b) => Number(a) - Number(b) || byText(a, b));
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name}"`);
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
}
