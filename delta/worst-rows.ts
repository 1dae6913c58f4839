import { type Dataset, rowNumber } from '../data/dataset';
import type { Judgement, Targets } from '../data/label-reading';
import type { LabelSet, ProblemType } from '../data/problem';
import type { RowAnswer, WorstRow } from './error-analysis';
import { rowOf } from './logits';
import type { Predicted } from './metrics';
import { PROBLEMS } from './problems';
import { type QueryRanking, rankings } from './relevance-metrics';
import type { Logits } from './row-logits';
import { sigmoid } from './thresholds';

/** Number of listed rows. */
export const WORST_ROWS = 50;
/** Longest listed text and longest listed word, in UTF-16 units; a longer one is cut. */
const MOST_CHARACTERS = 400;
const MOST_OF_A_WORD = 60;
/** Most listed words of a row, and how many of them are before the first wrong one. */
const MOST_WORDS = 60;
const WORDS_BEFORE = 10;

/** Rows with their predictions. */
export interface AnsweredRows {
  dataset: Dataset;
  targets: Targets;
  logits: Logits;
  predictions: ArrayLike<Predicted>;
}

/** Candidate with what orders it: the largest first. */
interface Candidate {
  row: number;
  badness: number;
  ranking?: QueryRanking & { first: number };
}

interface WrongAnswers {
  /** Rows that are wrong. */
  candidates(rows: AnsweredRows, lossOf: (row: number) => number): Candidate[];
  /** A target or a prediction in the file's form. */
  answer(value: Predicted | Judgement, names: readonly string[]): RowAnswer;
}

/** Rows whose prediction differs, by their loss. */
const differing =
  <T extends Predicted>(differ: (predicted: T, target: T) => boolean): WrongAnswers['candidates'] =>
  ({ predictions, targets }, lossOf) =>
    Array.from(targets, (target, row) => ({ row, wrong: differ(predictions[row] as T, target as T) }))
      .filter(({ wrong }) => wrong)
      .map(({ row }) => ({ row, badness: lossOf(row) }));

const someDiffers = <T extends Uint8Array | Int32Array>(predicted: T, target: T) =>
  target.some((value: number, at: number) => value !== predicted[at]);

/** Rounding of an nDCG whose rows tie. */
const ROUNDING = 1e-12;

/** Wrong answers of each problem. */
const WRONG: Readonly<Record<ProblemType, WrongAnswers>> = {
  'single-label': {
    candidates: differing<number>((predicted, target) => predicted !== target),
    answer: (index: number, names) => names[index],
  },
  'multi-label': {
    candidates: differing<Uint8Array>(someDiffers),
    answer: (has: Uint8Array, names) => names.filter((_, label) => has[label] === 1),
  },
  regression: {
    candidates: differing<number>((predicted, target) => predicted !== target),
    answer: (value: number) => value,
  },
  tokens: {
    candidates: differing<Int32Array>(someDiffers),
    answer: (tags: Int32Array, names) => Array.from(tags, (tag) => names[tag]),
  },
  relevance: {
    candidates: ({ predictions, targets }) =>
      rankings(predictions as ArrayLike<number>, targets as ArrayLike<Judgement>)
        .filter(({ ndcg }) => ndcg < 1 - ROUNDING)
        .map(({ best, ...ranking }) => ({ row: best, badness: 1 - ranking.ndcg, ranking })),
    answer: (value: number | Judgement) => (typeof value === 'number' ? sigmoid(value) : value.relevance),
  },
};

/**
 * Rows that a model is most wrong about: the wrongly predicted ones of the largest loss.
 * Of a relevance, the best relevant row of each query, the query of the lowest nDCG@10 first.
 *
 * @param omitTexts true to leave out texts and words
 * @returns at most {@link WORST_ROWS} rows, and the number of all wrong ones
 */
export function worstRows(
  rows: AnsweredRows,
  { problem, names }: LabelSet,
  omitTexts: boolean,
): { wrong: number; worst: WorstRow[] } {
  const { dataset, targets, logits, predictions } = rows;
  const { candidates, answer } = WRONG[problem];
  const lossOf = (row: number) => PROBLEMS[problem].loss(rowOf(logits, row), targets[row]);
  const wrong = candidates(rows, lossOf).sort((a, b) => b.badness - a.badness || a.row - b.row);
  const secondOf = (row: number) =>
    omitTexts || !dataset.seconds ? {} : { second: excerpt(dataset.seconds[row], MOST_CHARACTERS) };
  const worst = wrong.slice(0, WORST_ROWS).map(({ row, ranking }): WorstRow => {
    const listed: WorstRow = {
      row: rowNumber(dataset, row),
      loss: lossOf(row),
      label: answer(targets[row], names),
      predicted: answer(predictions[row], names),
    };
    const words = dataset.words?.[row];
    if (words) return withWords(listed, words, omitTexts);
    return {
      ...listed,
      ...(!omitTexts && { text: excerpt(dataset.texts[row], MOST_CHARACTERS) }),
      ...secondOf(row),
      ...(ranking && {
        ranking: {
          ...ranking,
          first: {
            row: rowNumber(dataset, ranking.first),
            predicted: sigmoid(predictions[ranking.first] as number),
            ...secondOf(ranking.first),
          },
        },
      }),
    };
  });
  return { wrong: wrong.length, worst };
}

/** Limits the tags of a row to those around its first wrong one, and adds their words. */
function withWords(row: WorstRow, words: readonly string[], omitTexts: boolean): WorstRow {
  const [label, predicted] = [row.label as string[], row.predicted as string[]];
  const wrong = label.findIndex((tag, at) => tag !== predicted[at]);
  const from = label.length <= MOST_WORDS ? 0 : Math.max(0, Math.min(wrong - WORDS_BEFORE, label.length - MOST_WORDS));
  const part = <T>(all: readonly T[]) => all.slice(from, from + MOST_WORDS);
  return {
    ...row,
    label: part(label),
    predicted: part(predicted),
    ...(!omitTexts && { words: part(words).map((word) => excerpt(word, MOST_OF_A_WORD)) }),
    ...(from > 0 && { firstWord: from }),
  };
}

/** Beginning of a text, with an ellipsis if it is longer; no surrogate pair is cut apart. */
function excerpt(text: string, length: number): string {
  if (text.length <= length) return text;
  const end = /[\uD800-\uDBFF]/.test(text[length - 2]) ? length - 2 : length - 1;
  return `${text.slice(0, end)}…`;
}
