import { invalidInput } from '../foundation/errors';
import type { Dataset } from './dataset';
import { rowName } from './dataset';
import { TASKS } from './tasks';

/**
 * Output of a model: a number, or one of several classes, where `names[i]` is the file's text of
 * class i.
 */
export type LabelSet = { kind: 'classes'; names: string[] } | { kind: 'regression' };

/**
 * Collects the labels of the training rows. A task's classes have GLUE's order; others are sorted,
 * by value if all are numbers.
 * @throws HifiError INVALID_INPUT if there are fewer than two classes, or one that the task lacks
 */
export function fitLabels(train: Dataset, regression: boolean = train.regression): LabelSet {
  if (regression) return { kind: 'regression' };
  const labels = labelsOf(train);
  const found = [...new Set(labels)];
  const ofTask = train.task && TASKS[train.task].classes;
  const names = ofTask ? [...ofTask] : sortLabels(found);
  const set: LabelSet = { kind: 'classes', names };
  if (ofTask) encodeLabels(train, set, `the task ${train.task} has`);
  if (found.length < 2) {
    throw invalidInput(`${train.path}: all ${train.rows} rows have the label "${found[0]}"; two classes are needed`);
  }
  return set;
}

/**
 * Warns of classes that differ only in letter case or in Unicode composition, one line per group.
 * They are most often one class written in two ways.
 */
export function labelWarnings({ path }: Dataset, set: LabelSet): string[] {
  if (set.kind === 'regression') return [];
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
export function encodeLabels(dataset: Dataset, set: { kind: 'classes'; names: string[] }, owner?: string): Int32Array;
export function encodeLabels(dataset: Dataset, set: { kind: 'regression' }, owner?: string): Float32Array;
export function encodeLabels(dataset: Dataset, set: LabelSet, owner?: string): Int32Array | Float32Array;
export function encodeLabels(
  dataset: Dataset,
  set: LabelSet,
  owner = 'the training rows have',
): Int32Array | Float32Array {
  const labels = labelsOf(dataset);
  const refuse = (index: number, what: string) =>
    invalidInput(`${rowName(dataset, index)} has the label "${labels[index]}"; ${what}`);
  if (set.kind === 'regression') {
    return Float32Array.from(labels, (label, index) => {
      const value = isNumber(label) ? Math.fround(Number(label)) : Number.NaN;
      if (!Number.isFinite(value)) throw refuse(index, 'a regression needs a finite number');
      return value;
    });
  }
  const classOf = new Map(set.names.map((name, index) => [name, index]));
  return Int32Array.from(labels, (label, index) => {
    const known = classOf.get(label);
    if (known === undefined) throw refuse(index, `${owner} ${listOf(set.names)}`);
    return known;
  });
}

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
