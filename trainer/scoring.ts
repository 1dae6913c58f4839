import type { Objective } from '../delta/objective';
import { PROBLEMS } from '../delta/problems';
import type { ScoreEvent } from '../delta/score-options';
import { tuningOf } from '../delta/tuning';
import { breathe } from '../foundation/breathe';
import { StageMeter } from '../foundation/progress';
import type { HeadScores } from '../heads/scores';
import type { Tune } from '../heads/tune';
import type { Checkpoint } from '../model/checkpoint';
import { allHeads } from './head-slices';
import { type LabelledRows, targetsOf } from './inputs';
import type { ParameterLayout } from './parameters';
import { FreshRows, type HiddenRows } from './prefix';
import { Program } from './program';
import type { TensorFlow } from './session';
import type { TokenRows } from './token-rows';
import { trainable } from './trainable';
import { type Schedule, Training } from './training';

/** Common parts of all scorings. */
export interface Scoring {
  tf: TensorFlow;
  checkpoint: Checkpoint;
  tokens: TokenRows;
  /** Number of logits per row and their meaning. */
  outputs: number;
  objective: Objective;
  /** Matrices whose training is scored. */
  tune: Tune;
  seed: number;
  signal: AbortSignal | undefined;
}

/** Rows to score on. */
export type ScoredRows = Pick<LabelledRows, 'encoded' | 'targets'>;

/** Parameters of the task head by name. */
export type HeadValues = ReadonlyMap<string, Float32Array>;

/** Result of a scoring. */
export type Scored = Pick<HeadScores, 'scores' | 'scoresStderr'>;

/** Training of all heads before its first step, with a given task head. */
export interface WholeTraining {
  program: Program;
  layout: ParameterLayout;
  /** Parameters before the first step. // [P] */
  initial: Float32Array;
  hidden: HiddenRows;
}

/** Checkpoint whose network drops nothing out. */
export function withoutDropout(checkpoint: Checkpoint): Checkpoint {
  const { config } = checkpoint;
  // Rates that some architectures read from their own fields.
  const raw = Object.fromEntries(
    Object.entries(config.raw).map(([name, value]) => [name, /_dropout$/.test(name) ? 0 : value]),
  );
  return { ...checkpoint, config: { ...config, raw, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 } };
}

/**
 * Creates a training of every head with the given task head. The caller closes the program.
 *
 * @param dropout true for a gradient with the dropout of the model's config
 */
export function wholeTraining(scoring: Scoring, rows: ScoredRows, head: HeadValues, dropout: boolean): WholeTraining {
  const { tf, tokens, outputs, objective, seed } = scoring;
  const checkpoint = dropout ? scoring.checkpoint : withoutDropout(scoring.checkpoint);
  const tuning = tuningOf(checkpoint.config, allHeads(checkpoint, scoring.tune));
  const { layout, initial } = trainable(checkpoint, tuning, outputs, seed, PROBLEMS[objective.problem].taskHead);
  for (const { name, offset } of layout.slots) {
    const values = head.get(name);
    if (values) initial.set(values, offset);
  }
  const program = new Program(tf, { checkpoint, tuning, layout, outputs, objective }, initial);
  return { program, layout, initial, hidden: new FreshRows({ program, checkpoint, tokens }, rows.encoded) };
}

/** Steps of a scoring: their batches, as row numbers, and how they are taken. */
export type Steps = Pick<Schedule, 'lr' | 'warmup' | 'weightDecay'> & { batches: readonly Int32Array[] };

/** Takes a step on each of the batches. @returns the parameters afterwards // [P] */
export async function* afterSteps(
  { seed, signal }: Pick<Scoring, 'seed' | 'signal'>,
  { program, hidden }: Pick<WholeTraining, 'program' | 'hidden'>,
  rows: ScoredRows,
  { batches, ...schedule }: Steps,
): AsyncGenerator<ScoreEvent, Float32Array> {
  const training = new Training(program, { ...schedule, steps: batches.length, seed });
  const meter = new StageMeter('score', batches.length, 'steps');
  yield meter.at(0);
  for (const [step, batch] of batches.entries()) {
    const loss = training.step(hidden.read(batch), targetsOf(rows, batch), step);
    yield* meter.due(step + 1, { loss });
    await breathe(signal);
  }
  return program.read().parameters;
}

/** Scores without a standard error, because they are no mean over the sequences. */
export const withoutError = (scores: number[][]): Scored => ({
  scores,
  scoresStderr: scores.map((layer) => layer.map(() => null)),
});
