import { type Encoded, evaluationBatches, lengthsOf } from '../data/batches';
import type { Target } from '../data/label-reading';
import { PROBLEMS } from '../delta/problems';
import type { ScoreEvent } from '../delta/score-options';
import { breathe } from '../foundation/breathe';
import { failed } from '../foundation/errors';
import { StageMeter } from '../foundation/progress';
import type { RowBatch } from './batch-parts';
import { targetsOf } from './inputs';
import { NeuronActivations } from './neuron-activations';
import type { HeadValues, Scored, ScoredRows, Scoring } from './scoring';
import { type OfHeads, SequenceGradients, TASK_HEAD_ALONE } from './sequence-gradients';
import { trainable } from './trainable';

/** Number of rows that are differentiated together. */
const BATCH_ROWS = 8;

/** Numbers of each head or neuron for the sequences of a batch. */
interface SequenceNumbers {
  /** A list per layer, row by row. // [B, units] */
  at(batch: RowBatch, targets: readonly Target[]): Float32Array[];
  close(): void;
}

/**
 * Computes the mean over the sequences of each head's or neuron's |∂loss/∂gate| (`gradient`) or of
 * the sum of its squared gradients (`fisher`), with its standard error; see
 * {@link SequenceGradients}.
 */
export function sequenceScores(
  scoring: Scoring,
  rows: ScoredRows,
  head: HeadValues,
  ofHeads: OfHeads,
): AsyncGenerator<ScoreEvent, Scored> {
  const { tf, checkpoint, outputs, objective, tune, seed } = scoring;
  const { layout } = trainable(checkpoint, TASK_HEAD_ALONE, outputs, seed, PROBLEMS[objective.problem].taskHead);
  const numbers = layout.gather(({ name }) => head.get(name)!);
  const gradients = new SequenceGradients(tf, { checkpoint, layout, outputs, objective }, ofHeads, tune);
  return means(scoring, rows, {
    at: (batch, targets) => gradients.at(numbers, batch, targets),
    close: () => gradients.close(),
  });
}

/**
 * Computes the mean over the sequences of the mean square of each neuron's value (`activation`),
 * with its standard error; see {@link NeuronActivations}.
 */
export const activationScores = (scoring: Scoring, rows: ScoredRows): AsyncGenerator<ScoreEvent, Scored> =>
  means(scoring, rows, new NeuronActivations(scoring.tf, scoring.checkpoint));

/** Mean over the sequences of the absolute numbers, and its standard error. Closes `numbers`. */
async function* means(
  { checkpoint, tokens, tune, signal }: Scoring,
  rows: ScoredRows,
  numbers: SequenceNumbers,
): AsyncGenerator<ScoreEvent, Scored> {
  const { encoded } = rows;
  const { layers, heads, intermediateSize } = checkpoint.config;
  const [units, unit] = tune === 'neurons' ? [intermediateSize, 'neuron'] : [heads, 'head'];
  const n = encoded.length;
  const zeros = () => Array.from({ length: layers }, () => new Float64Array(units));
  const [sums, squares] = [zeros(), zeros()];
  const meter = new StageMeter('score', n, 'sequences');
  try {
    let done = 0;
    yield meter.at(done);
    for (const batch of evaluationBatches(lengthsOf(encoded), BATCH_ROWS)) {
      numbers.at(tokens.batch(pick(encoded, batch)), targetsOf(rows, batch)).forEach((values, layer) => {
        values.forEach((value, i) => {
          if (!Number.isFinite(value)) throw failed(`the score of layer ${layer}, ${unit} ${i % units} is ${value}`);
          sums[layer][i % units] += Math.abs(value);
          squares[layer][i % units] += value * value;
        });
      });
      done += batch.length;
      yield meter.at(done);
      await breathe(signal);
    }
  } finally {
    numbers.close();
  }
  const deviation = (sum: number, square: number) =>
    n === 1 ? null : Math.sqrt(Math.max(0, square - (sum * sum) / n) / (n - 1) / n);
  return {
    scores: sums.map((layer) => Array.from(layer, (sum) => sum / n)),
    scoresStderr: sums.map((layer, l) => Array.from(layer, (sum, h) => deviation(sum, squares[l][h]))),
  };
}

const pick = (encoded: readonly Encoded[], rows: Int32Array) => Array.from(rows, (row) => encoded[row]);
