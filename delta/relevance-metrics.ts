import type { Judgement } from '../data/label-reading';

/*
 * Metrics of ranked rows. A prediction is a score, a target is a judgement; a row is relevant if
 * its relevance is above 0. Queries without a relevant row count in no mean over queries.
 */

/** Best ranks that count in a query's metrics. */
const CUTOFF = 10;

type Scores = ArrayLike<number>;
type Judgements = ArrayLike<Judgement>;

/** Row of a query. */
interface Ranked {
  /** Index of the row. */
  row: number;
  score: number;
  relevance: number;
}

/** Place of a query's best relevant row among the query's rows. */
export interface QueryRanking {
  /** Rank of the relevant row with the highest score, from 1. Of equal scores it comes last. */
  rank: number;
  /** Number of the query's rows. */
  rows: number;
  /** nDCG@10 of the query, 0 … 1. It is 1 exactly for the best order of distinct scores. */
  ndcg: number;
}

/**
 * Mean over the queries of DCG@10 divided by the largest possible one. A rank's gain is the
 * relevance divided by log2(rank + 1), ranks from 1. Rows of equal score share the mean of their
 * gains, as in scikit-learn's `ndcg_score`.
 */
export const ndcg = (scores: Scores, targets: Judgements): number => meanOverQueries(scores, targets, ndcgOf);

/**
 * Mean over the queries of 1 / rank of the first relevant row; 0 if it is below the best 10. Of
 * equal scores the irrelevant rows come first.
 */
export const reciprocalRank = (scores: Scores, targets: Judgements): number =>
  meanOverQueries(scores, targets, (rows) => {
    const rank = rankOf(rows, bestRelevant(rows));
    return rank > CUTOFF ? 0 : 1 / rank;
  });

/** Rankings of queries with a relevant row, each with the best such row and the first of all. */
export const rankings = (scores: Scores, targets: Judgements): (QueryRanking & { best: number; first: number })[] =>
  answeredQueries(scores, targets).map((rows) => {
    const best = bestRelevant(rows);
    const rank = rankOf(rows, best);
    // Of equal scores an irrelevant row is the first, as in the rank.
    const first = rows.toSorted((a, b) => b.score - a.score || a.relevance - b.relevance)[0];
    return { rank, rows: rows.length, ndcg: ndcgOf(rows), best: best.row, first: first.row };
  });

/**
 * Average precision of all rows, whatever their query: Σ (R_n − R_{n−1})·P_n over the scores from
 * the highest down, as scikit-learn's `average_precision_score`; 0 without a relevant row.
 */
export function averagePrecision(scores: Scores, targets: Judgements): number {
  const rows = Array.from(targets, ({ relevance }, row) => ({ row, score: scores[row], relevance }));
  const relevant = rows.filter(({ relevance }) => relevance > 0).length;
  if (relevant === 0) return 0;
  let [found, seen, sum] = [0, 0, 0];
  for (const tied of byScore(rows)) {
    const hits = tied.filter(({ relevance }) => relevance > 0).length;
    found += hits;
    seen += tied.length;
    sum += (hits / relevant) * (found / seen);
  }
  return sum;
}

/** True if no row is relevant. */
export const isIrrelevant = (targets: Judgements): boolean =>
  Array.from(targets).every(({ relevance }) => relevance === 0);

function meanOverQueries(scores: Scores, targets: Judgements, metric: (rows: Ranked[]) => number): number {
  const answered = answeredQueries(scores, targets);
  return answered.length === 0 ? 0 : answered.reduce((sum, rows) => sum + metric(rows), 0) / answered.length;
}

/** Rows of each query that has a relevant one. */
function answeredQueries(scores: Scores, targets: Judgements): Ranked[][] {
  const byQuery = new Map<number, Ranked[]>();
  for (const [row, { query, relevance }] of Array.from(targets).entries()) {
    const rows = byQuery.get(query) ?? [];
    byQuery.set(query, rows);
    rows.push({ row, score: scores[row], relevance });
  }
  return [...byQuery.values()].filter((rows) => rows.some(({ relevance }) => relevance > 0));
}

/** Relevant row with the highest score; the first of equals. */
const bestRelevant = (rows: readonly Ranked[]): Ranked =>
  rows.filter(({ relevance }) => relevance > 0).reduce((best, row) => (row.score > best.score ? row : best));

/** Rank of a relevant row, behind irrelevant rows of the same score. */
const rankOf = (rows: readonly Ranked[], { score }: Ranked): number =>
  1 + rows.filter((row) => row.score > score || (row.score === score && row.relevance === 0)).length;

/** At most 1, which rounding could exceed. */
const ndcgOf = (rows: readonly Ranked[]): number => Math.min(1, discountedGain(rows) / idealGain(rows));

/** Largest possible DCG@10. */
const idealGain = (rows: readonly Ranked[]): number =>
  rows
    .map(({ relevance }) => relevance)
    .sort((a, b) => b - a)
    .slice(0, CUTOFF)
    .reduce((gain, relevance, i) => gain + (1 / Math.log2(i + 2)) * relevance, 0);

/** DCG@10; tied rows share their ranks' discounts evenly. */
function discountedGain(rows: readonly Ranked[]): number {
  let rank = 0;
  let gain = 0;
  for (const tied of byScore(rows)) {
    let discounts = 0;
    for (const _ of tied) if (++rank <= CUTOFF) discounts += 1 / Math.log2(rank + 1);
    gain += (discounts * tied.reduce((sum, { relevance }) => sum + relevance, 0)) / tied.length;
  }
  return gain;
}

/** Groups of rows with the same score, the highest first. */
function byScore(rows: readonly Ranked[]): Ranked[][] {
  const groups: Ranked[][] = [];
  for (const row of rows.toSorted((a, b) => b.score - a.score)) {
    if (groups.at(-1)?.[0].score === row.score) groups.at(-1)!.push(row);
    else groups.push([row]);
  }
  return groups;
}
