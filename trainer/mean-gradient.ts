import { evaluationBatches, lengthsOf } from '../data/batches';
import type { ScoreEvent } from '../delta/score-options';
import { breathe } from '../foundation/breathe';
import { failed } from '../foundation/errors';
import { StageMeter } from '../foundation/progress';
import { sumsByHead } from './head-slices';
import { targetsOf } from './inputs';
import { lossCount } from './loss';
import {
  type HeadValues,
  type Scored,
  type ScoredRows,
  type Scoring,
  type WholeTraining,
  wholeTraining,
  withoutError,
} from './scoring';

/** Rows whose gradients the engine adds up in one run. */
const BATCH_ROWS = 32;

/**
 * Strategy `grad-l1`: ‖E g‖₁ of a head's slice, where g is the gradient of the loss by the
 * parameters that tuning the head would train, without dropout. A step of size ε along the
 * gradient's sign, such as Adam's first, lowers the loss by ε times the score. SHiRA-Grad chooses
 * single parameters by the size of their gradient over some rows (Bhardwaj et al. 2024, arXiv
 * 2406.13175).
 */
export async function* meanGradientScores(
  scoring: Scoring,
  rows: ScoredRows,
  head: HeadValues,
): AsyncGenerator<ScoreEvent, Scored> {
  const training = wholeTraining(scoring, rows, head, false);
  try {
    const mean = yield* meanGradient(scoring, training, rows);
    return withoutError(
      sumsByHead(scoring.checkpoint, { ...training, tune: scoring.tune }, (at) => Math.abs(mean[at])),
    );
  } finally {
    training.program.close();
  }
}

/** Gradient of the mean loss over all rows, of tokens over all their labelled tokens. // → [P] */
async function* meanGradient(
  scoring: Scoring,
  { program, layout, hidden }: WholeTraining,
  rows: ScoredRows,
): AsyncGenerator<ScoreEvent, Float32Array> {
  const n = rows.encoded.length;
  const sum = new Float32Array(layout.size);
  const meter = new StageMeter('score', n, 'sequences');
  let done = 0;
  let divisor = 0;
  yield meter.at(done);
  for (const batch of evaluationBatches(lengthsOf(rows.encoded), BATCH_ROWS)) {
    const targets = targetsOf(rows, batch);
    const { norm, gradient } = program.gradient(hidden.read(batch), targets, { seed: 0, step: 0 });
    const values = gradient.values();
    gradient.dispose();
    if (!Number.isFinite(norm)) throw failed(`the gradient's norm is ${norm}`);
    const count = lossCount(targets, scoring.objective);
    for (let i = 0; i < sum.length; i++) sum[i] += values[i] * count;
    divisor += count;
    done += batch.length;
    yield meter.at(done);
    await breathe(scoring.signal);
  }
  return sum.map((value) => value / divisor);
}
