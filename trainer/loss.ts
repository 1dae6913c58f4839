import type { Ops, Tensor } from './ops';

/** What a task head is trained towards: the class of each row, or a number. */
export type ProblemKind = 'classes' | 'regression';

/** These rows' part of the mean loss and its gradient by the logits. // [], [B, C] */
export interface Loss {
  loss: Tensor;
  byLogits: Tensor;
}

/**
 * Cross-entropy without smoothing, or the mean squared error of the one logit (docs/method.md).
 *
 * @param logits // [B, C]
 * @param targets as {@link targetValues} gives them // [B, C]
 * @param rows what the mean is over: the rows of the whole batch, where these are but a part // []
 */
export function taskLoss(ops: Ops, logits: Tensor, targets: Tensor, rows: Tensor, problem: ProblemKind): Loss {
  if (problem === 'regression') {
    const error = ops.sub(logits, targets); // [B, 1]
    return { loss: ops.div(ops.sum(ops.square(error), [0, 1]), rows), byLogits: ops.div(ops.scale(error, 2), rows) };
  }
  const [losses, byLogits] = ops.crossEntropy(logits, targets); // [B], [B, C]
  return { loss: ops.div(ops.sum(losses, [0]), rows), byLogits: ops.div(byLogits, rows) };
}

/**
 * What the logits are measured against: a one for each row's class, or its number.
 *
 * @param targets class indices, or the numbers to meet; B of them
 * @returns [B, C]
 */
export function targetValues(targets: ArrayLike<number>, outputs: number, problem: ProblemKind): Float32Array {
  if (problem === 'regression') return Float32Array.from(targets);
  const oneHot = new Float32Array(targets.length * outputs);
  for (let row = 0; row < targets.length; row++) oneHot[row * outputs + targets[row]] = 1;
  return oneHot;
}
