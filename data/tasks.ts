import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { didYouMean } from './nearest';
import type { LabelSet } from './problem';

/** GLUE task (Wang et al. 2019), in the format of the benchmark's own TSV files. */
export type TaskName = 'cola' | 'sst2' | 'mrpc' | 'stsb' | 'qqp' | 'mnli' | 'qnli' | 'rte' | 'wnli';

/** Names of a task's columns. */
export interface TaskColumns {
  /** Names of the one or two text columns. */
  readonly textColumns: readonly [string] | readonly [string, string];
  /** Name of the label column, which the test files lack. */
  readonly labelColumn: string;
}

/** Layout of a task's files, and its labels. */
export interface Task extends TaskColumns {
  /** Labels as the files write them, in the order of GLUE's class numbers. */
  readonly labels: LabelSet;
  /** Columns in the Hugging Face Hub's dataset `glue`, if they have other names. */
  readonly hub?: TaskColumns;
  /** Positions of the columns, from 0, in files without a header: CoLA's train and dev files. */
  readonly headerless?: { readonly texts: readonly [number]; readonly label: number; readonly width: number };
  /**
   * True for QQP, where questions with a line break leave broken rows. Rows without a needed field
   * are skipped, as in Hugging Face's `datasets`. In any other task such a row is an error.
   */
  readonly skipBrokenRows?: true;
  /**
   * Label of rows without a gold label: MNLI's `-`, on which the annotators did not agree. Such
   * rows are skipped if labels are needed.
   */
  readonly noLabel?: string;
}

const classes = (...names: string[]): LabelSet => ({ problem: 'single-label', names });
const binary = classes('0', '1');
const entailment = classes('entailment', 'not_entailment');

const hub = (first: string, second: string): TaskColumns => ({ textColumns: [first, second], labelColumn: 'label' });

/**
 * Layouts of the tasks. The reader drops MRPC's byte order mark. Quotes are literal in all files.
 */
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

/** Checks the name of a task. @throws HifiError INVALID_INPUT if there is no such task */
export function taskNamed(name: string): TaskName {
  if (Object.hasOwn(TASKS, name)) return name as TaskName;
  throw invalidInput(`no task "${name}"; the tasks are ${TASK_NAMES.join(', ')}${didYouMean(name, TASK_NAMES)}`);
}

/** Label as the task's own files write it. The Hub's dataset `glue` has class numbers instead. */
export function classText({ labels }: Task, label: string): string {
  return (/^\d$/.test(label) && labels.names[Number(label)]) || label;
}

/**
 * Path of MNLI's second dev file: `…/dev_mismatched.tsv` for `…/dev_matched.tsv`, if it exists;
 * undefined for any other file.
 */
export function mismatchedSibling(file: string): string | undefined {
  const name = path.basename(file);
  if (!/(?<!mis)matched/.test(name)) return undefined;
  const sibling = path.join(path.dirname(file), name.replace(/(?<!mis)matched/, 'mismatched'));
  return fs.existsSync(sibling) ? sibling : undefined;
}
