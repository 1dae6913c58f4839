import type { ProblemType } from '../data/problem';
import type { Ops, Tensor } from './ops';

/** These rows' part of the mean loss and its gradient by the logits. // [], [B, C] */
export interface Loss {
  loss: Tensor;
  byLogits: Tensor;
}

/** Loss function of a problem. */
interface LossFunction {
  /** As {@link taskLoss}. */
  loss(ops: Ops, logits: Tensor, targets: Tensor, rows: Tensor): Loss;
  /** As {@link targetValues}. */
  targets(targets: ArrayLike<number>, outputs: number): Float32Array;
}

/** Loss function by problem (docs/method.md). `PROBLEMS` of delta/ has the same in float64. */
const LOSSES: Readonly<Record<ProblemType, LossFunction>> = {
  /** Cross-entropy without smoothing; targets are one-hot. */
  'single-label': {
    loss(ops, logits, targets, rows) {
      const [losses, byLogits] = ops.crossEntropy(logits, targets); // [B], [B, C]
      return { loss: ops.div(ops.sum(losses, [0]), rows), byLogits: ops.div(byLogits, rows) };
    },
    targets(targets, outputs) {
      const oneHot = new Float32Array(targets.length * outputs);
      for (let row = 0; row < targets.length; row++) oneHot[row * outputs + targets[row]] = 1;
      return oneHot;
    },
  },
  /** Mean squared error of the one logit. */
  regression: {
    loss(ops, logits, targets, rows) {
      const error = ops.sub(logits, targets); // [B, 1]
      return { loss: ops.div(ops.sum(ops.square(error), [0, 1]), rows), byLogits: ops.div(ops.scale(error, 2), rows) };
    },
    targets: (targets) => Float32Array.from(targets),
  },
};

/**
 * Part of the mean loss for some rows of a batch, and its gradient by the logits.
 *
 * @param logits // [B, C]
 * @param targets from {@link targetValues} // [B, C]
 * @param rows divisor of the mean: number of rows in the whole batch // []
 */
export const taskLoss = (ops: Ops, logits: Tensor, targets: Tensor, rows: Tensor, problem: ProblemType): Loss =>
  LOSSES[problem].loss(ops, logits, targets, rows);

/**
 * Targets of the logits.
 *
 * @param targets class indices, or the numbers of a regression; B of them
 * @returns [B, C]
 */
export const targetValues = (targets: ArrayLike<number>, outputs: number, problem: ProblemType): Float32Array =>
  LOSSES[problem].targets(targets, outputs);
