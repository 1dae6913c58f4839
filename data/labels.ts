import { CLASS_LABELS } from './class-labels';
import type { Dataset } from './dataset';
import type { LabelReading, Targets } from './label-reading';
import { NUMBER_LABELS } from './number-labels';
import type { LabelSet, ProblemType } from './problem';
import { RELEVANCE_LABELS } from './relevance-labels';
import { SEVERAL_LABELS } from './several-labels';
import type { Strata } from './split';
import { WORD_LABELS } from './word-labels';

/** Labels of each problem. */
export const LABELS: Readonly<Record<ProblemType, LabelReading>> = {
  'single-label': CLASS_LABELS,
  'multi-label': SEVERAL_LABELS,
  regression: NUMBER_LABELS,
  tokens: WORD_LABELS,
  relevance: RELEVANCE_LABELS,
};

/**
 * Collects the labels of the training rows. A task's classes have GLUE's order; others are sorted,
 * by value if all are numbers.
 * @throws HifiError INVALID_INPUT if there are fewer than two classes, one that the task lacks, or
 *   no label at all
 */
export const fitLabels = (train: Dataset): LabelSet => ({
  problem: train.problem,
  names: LABELS[train.problem].names(train),
});

/** Number of classes from which numbers are most often values, not classes. */
const MANY_NUMBERS = 20;

/** Warns of labels that most often stand for something else, one line each. */
export const labelWarnings = ({ path }: Pick<Dataset, 'path'>, set: LabelSet): string[] =>
  [...writtenTwice(set), ...valuesAsClasses(set), ...joinedLabels(set)].map((text) => `${path}: ${text}`);

/** Classes that are numbers, and many: the rows may need a regression. */
function valuesAsClasses({ problem, names }: LabelSet): string[] {
  const numbers = names.every((name) => name !== '' && Number.isFinite(Number(name)));
  if (problem !== 'single-label' || !numbers || names.length < MANY_NUMBERS) return [];
  return [`the labels are ${names.length} different numbers, each a class; to predict a number give --regression`];
}

/** One of several labels that has another separator in it. */
function joinedLabels({ problem, names }: LabelSet): string[] {
  const joined = names.find(
    (name) => /[,;]/.test(name) && name.split(/[,;]/).some((part) => names.includes(part.trim())),
  );
  if (problem !== 'multi-label' || joined === undefined) return [];
  const separator = /[,;]/.exec(joined)?.[0];
  return [`"${joined}" is one label; if it is several, give --label-separator "${separator}"`];
}

/**
 * Classes that differ only in letter case or in Unicode composition, one line per group. They are
 * most often one class written in two ways.
 */
function writtenTwice(set: LabelSet): string[] {
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
      return `the labels ${shown.join(', ')} ${how}; they are ${names.length} classes`;
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
 * Converts labels to numbers, see `Target`.
 * @param owner subject and verb before the list of known classes in the message
 * @throws HifiError INVALID_INPUT, with row and label, if a label is not in `set` or not a valid
 *   number
 */
export const encodeLabels = (
  dataset: Dataset,
  { problem, names }: LabelSet,
  owner = 'the training rows have',
): Targets => LABELS[problem].encode(dataset, names, owner);

/** Strata of labelled rows, for a hold-out split in which each has its share. */
export const strataOf = (targets: Targets, { problem }: LabelSet): Strata => LABELS[problem].strata(targets);
