import type { ModelConfig } from '../model/config';
import { FAMILIES, type FamilyName, type TaskHeadModules } from '../model/families';
import { ACTIVATIONS } from './activation';
import { drop } from './dropout';
import type { Ops, Tensor } from './ops';

/**
 * Hugging Face's task head for sequence classification: dense, activation, classifier, with dropout before the classifier
 * and in some families before the dense layer too. C is the number of classes, 1 to regress.
 */
export interface TaskHeadWeights {
  dense: Tensor; // [d, d]
  denseBias: Tensor; // [d]
  classifier: Tensor; // [C, d]
  classifierBias: Tensor; // [C]
  activation: TaskHeadModules['activation'];
}

/** Names of the task head's modules, in the table of names. */
export type TaskHeadNames = Pick<TaskHeadModules, 'dense' | 'classifier'>;

export const taskHeadNames = (config: ModelConfig): TaskHeadNames =>
  FAMILIES[config.architecture as FamilyName].taskHead;

/** The factors of a training step's dropouts, `[B, d]` each; undefined where nothing is dropped. */
export interface TaskHeadDropout {
  input: Tensor | undefined;
  pooled: Tensor | undefined;
}

/** What the way back needs of the task head, `[B, d]` each. */
export interface TaskHeadTrace {
  /** What the dense layer read. */
  input: Tensor;
  /** The activation's derivative. */
  slope: Tensor;
  /** What the classifier read. */
  pooled: Tensor;
  dropped: TaskHeadDropout;
}

/**
 * Logits from the last hidden state of position 0. // [B, d] → [B, C]
 *
 * @param dropped absent in evaluation: no dropout, no trace
 */
export function classify(
  ops: Ops,
  first: Tensor,
  weights: TaskHeadWeights,
  dropped?: TaskHeadDropout,
): { logits: Tensor; trace?: TaskHeadTrace } {
  const input = drop(ops, first, dropped?.input);
  const dense = ops.biasAdd(ops.matMul(input, weights.dense, { b: true }), weights.denseBias); // [B, d]
  const { value, derivative: slope } = ACTIVATIONS[weights.activation](ops, dense, dropped !== undefined);
  const pooled = drop(ops, value, dropped?.pooled);
  const logits = ops.biasAdd(ops.matMul(pooled, weights.classifier, { b: true }), weights.classifierBias); // [B, C]
  return { logits, trace: dropped && slope && { input, slope, pooled, dropped } };
}

/** The way back through {@link classify}: gradients by its weights and by the hidden state that it read. */
export function classifyBack(
  ops: Ops,
  byLogits: Tensor,
  weights: TaskHeadWeights,
  { input, slope, pooled, dropped }: TaskHeadTrace,
): { gradients: Omit<TaskHeadWeights, 'activation'>; first: Tensor } {
  const byPooled = drop(ops, ops.matMul(byLogits, weights.classifier), dropped.pooled); // [B, d]
  const byDense = ops.mul(byPooled, slope); // [B, d]
  return {
    gradients: {
      dense: ops.matMul(byDense, input, { a: true }),
      denseBias: ops.sum(byDense, [0]),
      classifier: ops.matMul(byLogits, pooled, { a: true }),
      classifierBias: ops.sum(byLogits, [0]),
    },
    first: drop(ops, ops.matMul(byDense, weights.dense), dropped.input),
  };
}
