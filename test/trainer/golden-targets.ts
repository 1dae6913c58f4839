import type { Target } from '../../data/label-reading';
import type { ProblemType } from '../../data/problem';

/** Label of a row in a golden file: a number, or 0 or 1 for each of several labels. */
export type GoldenLabel = number | number[];

/** Target of a row from its label in a golden file. */
export function targetOf(label: GoldenLabel, problem: ProblemType): Target {
  if (Array.isArray(label)) return Uint8Array.from(label);
  return problem === 'relevance' ? { query: 0, relevance: label } : label;
}
