import { randomStream } from '../../data/random';
import type { TextRows } from '../../library/text-rows';
import { entityRows } from './entity-rows';

/** Words of tiny-bert's vocabulary. */
const WORDS = 'old young tired clever winter market child farmer sailor teacher bread song letter village'.split(' ');
/** Labels of a sentence: those of its words that are labels. */
export const SEVERAL = ['farmer', 'market', 'song'];

/** Problems whose rows have another form than a text with a class or a number. */
export type RowProblem = 'multi-label' | 'tokens' | 'relevance';

/** Row of a problem; its words are between spaces. */
export interface ProblemRow {
  text: string;
  second?: string;
  label: number | string[];
}

/** Seeded rows of each problem. */
export const PROBLEM_ROWS: Readonly<Record<RowProblem, (count: number, seed?: number) => ProblemRow[]>> = {
  'multi-label': (count, seed = 0) => {
    const random = randomStream(seed, 'test/several');
    const rows = Array.from({ length: count }, () => Array.from({ length: 6 }, () => WORDS[random.int(WORDS.length)]));
    return rows.map((words) => ({ text: words.join(' '), label: SEVERAL.filter((label) => words.includes(label)) }));
  },
  tokens: (count, seed = 0) =>
    entityRows(count, seed).map(({ tokens, tags }) => ({ text: tokens.join(' '), label: tags })),
  /** Queries with eight answers each; an answer is relevant if it has the query's first word. */
  relevance: (count, seed = 0) => {
    const random = randomStream(seed, 'test/relevance');
    const words = () => Array.from({ length: 4 }, () => WORDS[random.int(WORDS.length)]);
    const queries = Array.from({ length: count / 8 }, (_, i) => [WORDS[i % WORDS.length], ...words()]);
    return queries.flatMap((query) =>
      Array.from({ length: 8 }, () => {
        const answer = words();
        return { text: query.join(' '), second: answer.join(' '), label: Number(answer.includes(query[0])) };
      }),
    );
  },
};

/** Metrics of each problem, the deciding one first. */
export const PROBLEM_METRICS: Readonly<Record<RowProblem, string[]>> = {
  'multi-label': ['f1_micro', 'f1_macro', 'subset_accuracy'],
  tokens: ['f1'],
  relevance: ['ndcg_at_10', 'mrr_at_10', 'average_precision'],
};

export const ROW_PROBLEMS = Object.keys(PROBLEM_ROWS) as RowProblem[];

/** Rows as the library takes them. */
export function textRows(problem: RowProblem, rows: readonly ProblemRow[]): TextRows {
  const pairs = rows.map(({ text, second }) => [text, second!] as const);
  const texts = problem === 'relevance' ? pairs : rows.map(({ text }) => text);
  return { problem, texts, labels: rows.map(({ label }) => label) };
}

/** Rows as `inline` of a request has them. */
export function inlineRows(problem: RowProblem, rows: readonly ProblemRow[]) {
  const separator = problem === 'tokens' ? ' ' : '|';
  return {
    texts: rows.map(({ text }) => text),
    secondTexts: rows.flatMap(({ second }) => second ?? []),
    labels: rows.map(({ label }) => (Array.isArray(label) ? label.join(separator) : String(label))),
  };
}
