import type { Judgement, Target, Targets } from '../data/label-reading';
import type { ProblemType } from '../data/problem';
import { rarestLabels } from '../data/several-labels';
import { rarestTags } from '../data/word-labels';

/**
 * Rules for comparing methods on a problem's rows. Each problem's methods receive its own targets.
 */
interface ComparedProblem {
  /** Class of each row, for stratified draws; one class if there are none. // [n] */
  classes(targets: Targets): ArrayLike<number>;
  /** Describes the rows of a class in a message; its name is undefined for rows without labels. */
  rowsOf(name: string | undefined): string;
  /** Unit of each row, whose rows are drawn together; absent if each row is its own. // [n] */
  units?(targets: Targets): ArrayLike<number>;
  /** Labels of a row, of which training rows must have every one. Default: its class. */
  labels?(target: Target): ArrayLike<number>;
}

const oneClass = ({ length }: Targets) => new Int32Array(length);

const byRarestLabel = (name: string | undefined) =>
  name === undefined ? 'rows without labels' : `rows whose rarest label is ${JSON.stringify(name)}`;

const allRows = () => 'rows';

/** Each problem in a comparison. */
export const COMPARED: Readonly<Record<ProblemType, ComparedProblem>> = {
  'single-label': {
    classes: (targets: ArrayLike<number>) => targets,
    rowsOf: (name) => `rows with the label ${JSON.stringify(name)}`,
  },
  'multi-label': { classes: rarestLabels, rowsOf: byRarestLabel },
  tokens: {
    classes: rarestTags,
    rowsOf: byRarestLabel,
    labels: (tags: Int32Array) => tags,
  },
  regression: { classes: oneClass, rowsOf: allRows },
  relevance: {
    classes: oneClass,
    rowsOf: allRows,
    units: (targets: ArrayLike<Judgement>) => Array.from(targets, ({ query }) => query),
  },
};
