import type { Target } from '../../data/label-reading';
import type { ProblemType } from '../../data/problem';

/**
 * Label of a row in a golden file: a number, 0 or 1 for each of several labels, or the class of
 * each token with −100 for none.
 */
export type GoldenLabel = number | number[];

/** Target of a row from its label in a golden file. */
export function targetOf(label: GoldenLabel, problem: ProblemType): Target {
  if (Array.isArray(label)) {
    return problem === 'tokens' ? Int32Array.from(label, (tag) => Math.max(-1, tag)) : Uint8Array.from(label);
  }
  return problem === 'relevance' ? { query: 0, relevance: label } : label;
}
