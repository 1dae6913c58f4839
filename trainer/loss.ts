import type { Tensor } from '@tensorflow/tfjs-node';
import type { Ops } from './ops';

/** What a task head is trained towards: the class of each row, or a number. */
export type ProblemKind = 'classes' | 'regression';

/** A batch's mean loss and its gradient by the logits. // [], [B, C] */
export interface Loss {
  loss: Tensor;
  byLogits: Tensor;
}

/**
 * Cross-entropy without smoothing, or the mean squared error of the one logit (METHOD §4).
 *
 * @param logits // [B, C]
 * @param targets class indices, or the numbers to meet; B of them
 */
export function taskLoss(ops: Ops, logits: Tensor, targets: ArrayLike<number>, problem: ProblemKind): Loss {
  const [batch, classes] = logits.shape as [number, number];
  if (problem === 'regression') {
    const error = ops.sub(logits, ops.floats(Float32Array.from(targets), [batch, 1])); // [B, 1]
    return { loss: ops.scale(ops.sum(ops.square(error), [0, 1]), 1 / batch), byLogits: ops.scale(error, 2 / batch) };
  }
  const oneHot = new Float32Array(batch * classes);
  for (let row = 0; row < batch; row++) oneHot[row * classes + targets[row]] = 1;
  const [losses, byLogits] = ops.crossEntropy(logits, ops.floats(oneHot, [batch, classes])); // [B], [B, C]
  return { loss: ops.scale(ops.sum(losses, [0]), 1 / batch), byLogits: ops.scale(byLogits, 1 / batch) };
}
