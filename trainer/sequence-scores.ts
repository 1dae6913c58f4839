import { type Encoded, evaluationBatches, lengthsOf } from '../data/batches';
import { PROBLEMS } from '../delta/problems';
import type { ScoreEvent } from '../delta/score-options';
import { breathe } from '../foundation/breathe';
import { failed } from '../foundation/errors';
import { StageMeter } from '../foundation/progress';
import { targetsOf } from './inputs';
import type { HeadValues, Scored, ScoredRows, Scoring } from './scoring';
import { type OfHeads, SequenceGradients, TASK_HEAD_ALONE } from './sequence-gradients';
import { trainable } from './trainable';

/** Number of rows that are differentiated together. */
const BATCH_ROWS = 8;

/**
 * Computes each head's mean over the sequences of |∂loss/∂gate| (`gradient`) or of the sum of its
 * squared gradients (`fisher`), with its standard error; see {@link SequenceGradients}.
 */
export async function* sequenceScores(
  scoring: Scoring,
  rows: ScoredRows,
  head: HeadValues,
  ofHeads: OfHeads,
): AsyncGenerator<ScoreEvent, Scored> {
  const { tf, checkpoint, tokens, outputs, objective, tune, seed } = scoring;
  const { encoded } = rows;
  const { layers, heads } = checkpoint.config;
  const n = encoded.length;
  const zeros = () => Array.from({ length: layers }, () => new Float64Array(heads));
  const [sums, squares] = [zeros(), zeros()];
  const meter = new StageMeter('score', n, 'sequences');
  const { layout } = trainable(checkpoint, TASK_HEAD_ALONE, outputs, seed, PROBLEMS[objective.problem].taskHead);
  const numbers = layout.gather(({ name }) => head.get(name)!);
  const gradients = new SequenceGradients(tf, { checkpoint, layout, outputs, objective }, ofHeads, tune);
  try {
    let done = 0;
    yield meter.at(done);
    for (const batch of evaluationBatches(lengthsOf(encoded), BATCH_ROWS)) {
      gradients.at(numbers, tokens.batch(pick(encoded, batch)), targetsOf(rows, batch)).forEach((values, layer) => {
        values.forEach((value, i) => {
          if (!Number.isFinite(value)) throw failed(`the gradient of layer ${layer}, head ${i % heads} is ${value}`);
          sums[layer][i % heads] += Math.abs(value);
          squares[layer][i % heads] += value * value;
        });
      });
      done += batch.length;
      yield meter.at(done);
      await breathe(scoring.signal);
    }
  } finally {
    gradients.close();
  }
  const deviation = (sum: number, square: number) =>
    n === 1 ? null : Math.sqrt(Math.max(0, square - (sum * sum) / n) / (n - 1) / n);
  return {
    scores: sums.map((layer) => Array.from(layer, (sum) => sum / n)),
    scoresStderr: sums.map((layer, l) => Array.from(layer, (sum, h) => deviation(sum, squares[l][h]))),
  };
}

const pick = (encoded: readonly Encoded[], rows: Int32Array) => Array.from(rows, (row) => encoded[row]);
