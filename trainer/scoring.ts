import type { ProblemType } from '../data/problem';
import type { HeadScores } from '../heads/scores';
import type { Checkpoint } from '../model/checkpoint';
import { allHeads } from './head-slices';
import type { LabelledRows } from './inputs';
import type { ParameterLayout } from './parameters';
import { FreshRows, type HiddenRows } from './prefix';
import { Program } from './program';
import type { TensorFlow } from './session';
import type { TokenRows } from './token-rows';
import { trainable } from './trainable';

/** What every way to score the heads stands on. */
export interface Scoring {
  tf: TensorFlow;
  checkpoint: Checkpoint;
  tokens: TokenRows;
  /** Logits a row, and what they mean. */
  outputs: number;
  problem: ProblemType;
  seed: number;
  signal: AbortSignal | undefined;
}

/** Rows to score on. */
export type ScoredRows = Pick<LabelledRows, 'encoded' | 'targets'>;

/** The task head's numbers by name. */
export type HeadValues = ReadonlyMap<string, Float32Array>;

/** What a way to score comes to. */
export type Scored = Pick<HeadScores, 'scores' | 'scoresStderr'>;

/**
 * A training of all heads as it stands before its first step, with a task head that was trained
 * before.
 */
export interface WholeTraining {
  program: Program;
  layout: ParameterLayout;
  /** The trained numbers before the first step. // [P] */
  initial: Float32Array;
  hidden: HiddenRows;
}

/**
 * Every head tuned, the task head as given. The program is the caller's to close.
 *
 * @param dropout whether a gradient has the dropout of the model's config
 */
export function wholeTraining(scoring: Scoring, rows: ScoredRows, head: HeadValues, dropout: boolean): WholeTraining {
  const { tf, tokens, outputs, problem, seed } = scoring;
  const still = { hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 };
  const checkpoint: Checkpoint = dropout
    ? scoring.checkpoint
    : { ...scoring.checkpoint, config: { ...scoring.checkpoint.config, ...still } };
  const mask = allHeads(checkpoint);
  const { layout, initial } = trainable(checkpoint, mask, outputs, seed);
  for (const { name, offset } of layout.slots) {
    const values = head.get(name);
    if (values) initial.set(values, offset);
  }
  const program = new Program(tf, { checkpoint, mask, layout, outputs, problem }, initial);
  return { program, layout, initial, hidden: new FreshRows({ program, checkpoint, tokens }, rows.encoded) };
}

/** Class indices, or numbers, of a batch. */
export const targetsOf = ({ targets }: ScoredRows, batch: Int32Array) => Array.from(batch, (row) => targets[row]);

/** Scores that have no standard error: they are no mean over the sequences. */
export const withoutError = (scores: number[][]): Scored => ({
  scores,
  scoresStderr: scores.map((layer) => layer.map(() => null)),
});
