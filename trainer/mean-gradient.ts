import { evaluationBatches, lengthsOf } from '../data/batches';
import type { ScoreEvent } from '../delta/score-options';
import { breathe } from '../foundation/breathe';
import { failed } from '../foundation/errors';
import { StageMeter } from '../foundation/progress';
import { sumsByHead } from './head-slices';
import {
  type HeadValues,
  type Scored,
  type ScoredRows,
  type Scoring,
  targetsOf,
  type WholeTraining,
  wholeTraining,
  withoutError,
} from './scoring';

/** Rows whose gradients are added in the engine. */
const BATCH_ROWS = 32;

/**
 * Strategy `grad-l1`: ‖E g‖₁ of a head's slice, g the gradient of the loss by what tuning the head would tune, dropout off. It is
 * what a step of size ε along the gradient's sign, such as Adam's first, takes off the loss, by ε. Choosing what to tune by the size
 * of a gradient over some rows is SHiRA-Grad's (Bhardwaj et al. 2024, arXiv 2406.13175), there a number at a time.
 */
export async function* meanGradientScores(
  scoring: Scoring,
  rows: ScoredRows,
  head: HeadValues,
): AsyncGenerator<ScoreEvent, Scored> {
  const training = wholeTraining(scoring, rows, head, false);
  try {
    const mean = yield* meanGradient(scoring, training, rows);
    return withoutError(sumsByHead(scoring.checkpoint, training.layout, (at) => Math.abs(mean[at])));
  } finally {
    training.program.close();
  }
}

/** The gradient of the mean loss over all rows. // → [P] */
async function* meanGradient(
  scoring: Scoring,
  { program, layout, hidden }: WholeTraining,
  rows: ScoredRows,
): AsyncGenerator<ScoreEvent, Float32Array> {
  const n = rows.encoded.length;
  const mean = new Float32Array(layout.size);
  const meter = new StageMeter('score', n, 'sequences');
  let done = 0;
  yield meter.at(done);
  for (const batch of evaluationBatches(lengthsOf(rows.encoded), BATCH_ROWS)) {
    const { norm, gradient } = program.gradient(hidden.read(batch), targetsOf(rows, batch), { seed: 0, step: 0 });
    const values = gradient.values();
    gradient.dispose();
    if (!Number.isFinite(norm)) throw failed(`the gradient's norm is ${norm}`);
    for (let i = 0; i < mean.length; i++) mean[i] += (values[i] * batch.length) / n;
    done += batch.length;
    yield meter.at(done);
    await breathe(scoring.signal);
  }
  return mean;
}
