import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { didYouMean } from './nearest';
import type { LabelSet } from './problem';

/** The nine tasks of GLUE (Wang et al. 2019), in the form of the benchmark's own TSV files. */
export type TaskName = 'cola' | 'sst2' | 'mrpc' | 'stsb' | 'qqp' | 'mnli' | 'qnli' | 'rte' | 'wnli';

/** The names of a task's columns. */
export interface TaskColumns {
  /** Of the one or two texts. */
  readonly textColumns: readonly [string] | readonly [string, string];
  /** Of the label; the test files lack it. */
  readonly labelColumn: string;
}

/** How a task's files are laid out, and what its labels mean. */
export interface Task extends TaskColumns {
  /** The labels as the files write them, in the order of GLUE's class numbers. */
  readonly labels: LabelSet;
  /** The columns in the data set `glue` of the Hugging Face Hub, where they have other names. */
  readonly hub?: TaskColumns;
  /** Where the columns are (from 0) in a file without a header: CoLA's train and dev files. */
  readonly headerless?: { readonly texts: readonly [number]; readonly label: number; readonly width: number };
  /**
   * QQP: some questions hold a line break, which leaves rows in pieces. Rows without one of the needed fields are left
   * out, as Hugging Face's `datasets` does; in any other task such a row is an error.
   */
  readonly skipBrokenRows?: true;
  /** MNLI: `-` stands where the annotators did not agree; such rows have no label and are left out where one is needed. */
  readonly noLabel?: string;
}

const classes = (...names: string[]): LabelSet => ({ problem: 'single-label', names });
const binary = classes('0', '1');
const entailment = classes('entailment', 'not_entailment');

const hub = (first: string, second: string): TaskColumns => ({ textColumns: [first, second], labelColumn: 'label' });

/** The table of tasks. MRPC's byte order mark is dropped by the reader; quotes are literal in all of the files. */
export const TASKS: Readonly<Record<TaskName, Task>> = {
  cola: {
    textColumns: ['sentence'],
    labelColumn: 'label',
    labels: binary,
    headerless: { texts: [3], label: 1, width: 4 },
  },
  sst2: { textColumns: ['sentence'], labelColumn: 'label', labels: binary },
  mrpc: {
    textColumns: ['#1 String', '#2 String'],
    labelColumn: 'Quality',
    labels: binary,
    hub: hub('sentence1', 'sentence2'),
  },
  stsb: {
    textColumns: ['sentence1', 'sentence2'],
    labelColumn: 'score',
    labels: { problem: 'regression', names: [] },
    hub: hub('sentence1', 'sentence2'),
  },
  qqp: {
    textColumns: ['question1', 'question2'],
    labelColumn: 'is_duplicate',
    labels: binary,
    skipBrokenRows: true,
    hub: hub('question1', 'question2'),
  },
  mnli: {
    textColumns: ['sentence1', 'sentence2'],
    labelColumn: 'gold_label',
    labels: classes('entailment', 'neutral', 'contradiction'),
    noLabel: '-',
    hub: hub('premise', 'hypothesis'),
  },
  qnli: { textColumns: ['question', 'sentence'], labelColumn: 'label', labels: entailment },
  rte: { textColumns: ['sentence1', 'sentence2'], labelColumn: 'label', labels: entailment },
  wnli: { textColumns: ['sentence1', 'sentence2'], labelColumn: 'label', labels: binary },
};

export const TASK_NAMES = Object.keys(TASKS) as readonly TaskName[];

/** @throws HifiError INVALID_INPUT when there is no such task */
export function taskNamed(name: string): TaskName {
  if (Object.hasOwn(TASKS, name)) return name as TaskName;
  throw invalidInput(`no task "${name}"; there are ${TASK_NAMES.join(', ')}${didYouMean(name, TASK_NAMES)}`);
}

/** A label as the task's own files write it: the Hub's data set `glue` has the numbers of the classes. */
export function classText({ labels }: Task, label: string): string {
  return (/^\d$/.test(label) && labels.names[Number(label)]) || label;
}

/**
 * MNLI is evaluated on two files. For `…/dev_matched.tsv`: `…/dev_mismatched.tsv`, where that file lies beside it; for
 * any other file undefined.
 */
export function mismatchedSibling(file: string): string | undefined {
  const name = path.basename(file);
  if (!/(?<!mis)matched/.test(name)) return undefined;
  const sibling = path.join(path.dirname(file), name.replace(/(?<!mis)matched/, 'mismatched'));
  return fs.existsSync(sibling) ? sibling : undefined;
}
