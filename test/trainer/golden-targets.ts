import type { TokenIds } from '../../data/batches';
import type { Target } from '../../data/label-reading';
import type { ProblemType } from '../../data/problem';

/**
 * Label of a row in a golden file: a number, 0 or 1 for each of several labels, or the class of
 * each token with −100 for none.
 */
export type GoldenLabel = number | number[];

/** Rows of a golden file as the trainer has them: every token of a row with tags is asked. */
export function rowsFor(rows: readonly TokenIds[], problem: ProblemType): readonly TokenIds[] {
  if (problem !== 'tokens') return rows;
  return rows.map((row) => {
    const every = Int32Array.from(row.ids, (_, at) => at);
    return { ...row, asked: { at: every, words: every } };
  });
}

/** Target of a row from its label in a golden file. */
export function targetOf(label: GoldenLabel, problem: ProblemType): Target {
  if (Array.isArray(label)) {
    return problem === 'tokens' ? Int32Array.from(label, (tag) => Math.max(-1, tag)) : Uint8Array.from(label);
  }
  return problem === 'relevance' ? { query: 0, relevance: label } : label;
}
