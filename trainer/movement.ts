import { lengthsOf, likeLengthBatches } from '../data/batches';
import type { ScoreEvent } from '../delta/score-options';
import { TRAIN_DEFAULTS } from '../delta/training-options';
import { breathe } from '../foundation/breathe';
import { StageMeter } from '../foundation/progress';
import { sumsByHead } from './head-slices';
import { targetsOf } from './inputs';
import {
  type HeadValues,
  type Scored,
  type ScoredRows,
  type Scoring,
  type WholeTraining,
  wholeTraining,
  withoutError,
} from './scoring';
import { type Schedule, Training } from './training';

/**
 * Strategy `movement`: tunes all heads for half an epoch with the training's defaults; a head's
 * score is ‖ΔW‖_F of its slice. The training that follows starts from the base again.
 * Lottery-ticket sparse fine-tuning (Ansell et al. 2022, arXiv 2110.07560) does this for single
 * parameters instead of heads, after a whole training instead of half an epoch.
 */
export async function* movementScores(
  scoring: Scoring,
  rows: ScoredRows,
  head: HeadValues,
): AsyncGenerator<ScoreEvent, Scored> {
  const { batchSize } = TRAIN_DEFAULTS;
  const training = wholeTraining(scoring, rows, head, true);
  try {
    const batches = likeLengthBatches(lengthsOf(rows.encoded), { batchSize, seed: scoring.seed, epoch: 0 });
    return yield* moved(scoring, training, rows, batches, TRAIN_DEFAULTS);
  } finally {
    training.program.close();
  }
}

/** ‖ΔW‖_F of each head after a step on each of the batches. */
export async function* moved(
  scoring: Scoring,
  { program, layout, initial, hidden }: WholeTraining,
  rows: ScoredRows,
  batches: readonly Int32Array[],
  schedule: Pick<Schedule, 'lr' | 'warmup' | 'weightDecay'>,
): AsyncGenerator<ScoreEvent, Scored> {
  const training = new Training(program, { ...schedule, steps: batches.length, seed: scoring.seed });
  const meter = new StageMeter('score', batches.length, 'steps');
  yield meter.at(0);
  for (const [step, batch] of batches.entries()) {
    const loss = training.step(hidden.read(batch), targetsOf(rows, batch), step);
    yield* meter.due(step + 1, { loss });
    await breathe(scoring.signal);
  }
  const { parameters } = program.read();
  const squares = sumsByHead(
    scoring.checkpoint,
    { layout, tune: scoring.tune },
    (at) => (parameters[at] - initial[at]) ** 2,
  );
  return withoutError(squares.map((layer) => layer.map(Math.sqrt)));
}
