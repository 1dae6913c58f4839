import { invalidInput } from '../foundation/errors';
import { didYouMean } from './nearest';

/**
 * Problems that a model can be trained for. Each room that treats them differently has a table with
 * an entry for each: `LABELS` here, `PROBLEMS` and those of the errors in delta/, `LOSSES` in
 * trainer/, `COMPARED` in compare/.
 */
export const PROBLEM_TYPES = ['single-label', 'multi-label', 'regression', 'tokens', 'relevance'] as const;

/**
 * Name of a problem: `single-label` (one class per row), `multi-label` (any number of labels per
 * row), `regression` (a number per row), `tokens` (a tag per word) or `relevance` (how well a
 * second text answers the first).
 */
export type ProblemType = (typeof PROBLEM_TYPES)[number];

export const DEFAULT_PROBLEM: ProblemType = 'single-label';

/** Why rows of a problem do not belong to one class each; undefined if they do. */
export const NO_CLASSES: Readonly<Record<ProblemType, string | undefined>> = {
  'single-label': undefined,
  'multi-label': 'a row may have several labels',
  tokens: 'each word has a label',
  regression: 'the labels are numbers',
  relevance: 'the labels are the relevance of pairs',
};

/** Labels that a model predicts. */
export interface LabelSet {
  problem: ProblemType;
  /** Name of each label, in the file's own text; none if the label is a number. // [C] or [] */
  names: readonly string[];
  /**
   * Probability from which each label of a multi-label model is predicted. Default:
   * {@link DEFAULT_THRESHOLD} each. // [C]
   */
  thresholds?: readonly number[];
}

/** Probability from which a label is predicted, if no threshold was chosen. */
export const DEFAULT_THRESHOLD = 0.5;

/** Logits per row: one per name, or one number. */
export const logitCount = ({ names }: Pick<LabelSet, 'names'>) => Math.max(1, names.length);

/** Problem of a client's rows, in either of its two forms. */
export interface NamedProblem {
  /** Problem that the labels pose. Default: `single-label`; a task knows its own. */
  problem?: ProblemType;
  /** Short form of the problem `regression`. */
  regression?: boolean;
}

/** @throws HifiError INVALID_INPUT for an unknown problem */
export function problemNamed(name: string): ProblemType {
  const found = PROBLEM_TYPES.find((problem) => problem === name);
  if (found !== undefined) return found;
  throw invalidInput(`no problem "${name}"; there are ${PROBLEM_TYPES.join(', ')}${didYouMean(name, PROBLEM_TYPES)}`);
}

/**
 * The problem that a client names; undefined if it names none.
 * @throws HifiError INVALID_INPUT for an unknown problem, or `regression` beside another problem
 */
export function namedProblem({ problem, regression }: NamedProblem): ProblemType | undefined {
  const named = problem === undefined ? undefined : problemNamed(problem);
  if (!regression) return named;
  if (named === undefined || named === 'regression') return 'regression';
  throw invalidInput(`regression is short for the problem regression; the problem ${named} is given too: keep one`);
}

/** Problem of a client's rows without a task. @throws as {@link namedProblem} */
export const problemOf = (given: NamedProblem): ProblemType => namedProblem(given) ?? DEFAULT_PROBLEM;
