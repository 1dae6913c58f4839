import { lengthsOf, likeLengthBatches } from '../data/batches';
import type { ScoreEvent } from '../delta/score-options';
import { TRAIN_DEFAULTS } from '../delta/training-options';
import type { PerHead } from '../heads/head-report';
import { byHead, sumsByHead } from './head-slices';
import {
  afterSteps,
  type HeadValues,
  type Scored,
  type ScoredRows,
  type Scoring,
  type WholeTraining,
  wholeTraining,
  withoutError,
} from './scoring';
import { softmaxDistance } from './softmax-distance';

/** Score of each head from all trained parameters before and after the steps. // [P] → [L][H] */
type Change = (scoring: Scoring, training: WholeTraining, after: Float32Array) => PerHead;

/** ‖ΔW‖_F of each head's slice. */
const distanceMoved: Change = ({ checkpoint, tune }, { layout, initial }, after) =>
  sumsByHead(checkpoint, { layout, tune }, (at) => (after[at] - initial[at]) ** 2).map((layer) => layer.map(Math.sqrt));

/** {@link softmaxDistance} of each head's tuned parts of matrices, one after the other. */
const distributionMoved: Change = ({ checkpoint, tune }, { layout, initial }, after) =>
  byHead(checkpoint, { layout, tune }, (places) => {
    const weights = places.filter(([from]) => from < layout.decayed); // matrices
    const of = (values: Float32Array) => weights.map(([from, to]) => values.subarray(from, to));
    return softmaxDistance(of(initial), of(after));
  });

/**
 * Strategies that tune all heads for half an epoch with the training's defaults and measure how far
 * each went. The training that follows starts from the base again.
 *
 * - `movement`: ‖ΔW‖_F. Lottery-ticket sparse fine-tuning (Ansell et al. 2022, arXiv 2110.07560)
 *   does this for single parameters instead of heads, after a whole training.
 * - `alps`: the distance of the head's softmaxed weights, as ALPS (Chen et al. 2025, arXiv
 *   2505.18799) measures it between a base and a model trained for the task.
 */
export const CHANGES = { movement: distanceMoved, alps: distributionMoved } as const satisfies Record<string, Change>;

/** Scores of a strategy of {@link CHANGES}. */
export async function* movementScores(
  scoring: Scoring,
  rows: ScoredRows,
  head: HeadValues,
  strategy: keyof typeof CHANGES,
): AsyncGenerator<ScoreEvent, Scored> {
  const { batchSize } = TRAIN_DEFAULTS;
  const training = wholeTraining(scoring, rows, head, true);
  try {
    const batches = likeLengthBatches(lengthsOf(rows.encoded), { batchSize, seed: scoring.seed, epoch: 0 });
    const after = yield* afterSteps(scoring, training, rows, { ...TRAIN_DEFAULTS, batches });
    return withoutError(CHANGES[strategy](scoring, training, after));
  } finally {
    training.program.close();
  }
}
