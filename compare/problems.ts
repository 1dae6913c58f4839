import type { Targets } from '../data/labels';
import type { ProblemType } from '../data/problem';

/** Rules for comparing methods on a problem's rows. */
interface ComparedProblem {
  /** Class of each row, for stratified draws; one class if there are none. // [n] */
  classes(targets: Targets): ArrayLike<number>;
  /** Why logistic regression cannot be compared; undefined if it can. */
  readonly noLogistic?: string;
}

/** Each problem in a comparison. */
export const COMPARED: Readonly<Record<ProblemType, ComparedProblem>> = {
  'single-label': { classes: (targets) => targets },
  regression: { classes: ({ length }) => new Int32Array(length), noLogistic: 'the labels are numbers' },
};
