import type { ModelConfig } from '../model/config';
import { FAMILIES } from '../model/families';
import { drop } from './dropout';
import type { Ops, Tensor } from './ops';

/** Hugging Face's task head for BERT: pooler (dense, tanh), dropout, classifier. C is the number of classes, 1 to regress. */
export interface TaskHeadWeights {
  dense: Tensor; // [d, d]
  denseBias: Tensor; // [d]
  classifier: Tensor; // [C, d]
  classifierBias: Tensor; // [C]
}

/** Names of the task head's modules, in the table of names. */
export interface TaskHeadNames {
  dense: string;
  classifier: string;
}

export function taskHeadNames(config: ModelConfig): TaskHeadNames {
  const { dense, classifier } = FAMILIES[config.family].taskHead;
  return { dense, classifier };
}

/** What the way back needs of the task head. */
export interface TaskHeadTrace {
  first: Tensor; // [B, d]
  pooled: Tensor; // [B, d]
  dropped: Tensor | undefined; // [B, d]
}

/** Logits from the last hidden state of position 0. // [B, d] → [B, C] */
export function classify(
  ops: Ops,
  first: Tensor,
  weights: TaskHeadWeights,
  dropped?: Tensor,
): { logits: Tensor; trace: TaskHeadTrace } {
  const pooled = ops.tanh(ops.biasAdd(ops.matMul(first, weights.dense, { b: true }), weights.denseBias)); // [B, d]
  const kept = drop(ops, pooled, dropped);
  const logits = ops.biasAdd(ops.matMul(kept, weights.classifier, { b: true }), weights.classifierBias); // [B, C]
  return { logits, trace: { first, pooled, dropped } };
}

/** The way back through {@link classify}: gradients by its weights and by the hidden state that it read. */
export function classifyBack(
  ops: Ops,
  byLogits: Tensor,
  weights: TaskHeadWeights,
  { first, pooled, dropped }: TaskHeadTrace,
): { gradients: TaskHeadWeights; first: Tensor } {
  const byKept = ops.matMul(byLogits, weights.classifier); // [B, d]
  const slope = ops.sub(ops.scalar(1), ops.square(pooled));
  const byDense = ops.mul(drop(ops, byKept, dropped), slope); // [B, d]
  return {
    gradients: {
      dense: ops.matMul(byDense, first, { a: true }),
      denseBias: ops.sum(byDense, [0]),
      classifier: ops.matMul(byLogits, drop(ops, pooled, dropped), { a: true }),
      classifierBias: ops.sum(byLogits, [0]),
    },
    first: ops.matMul(byDense, weights.dense),
  };
}
