import type { Ops, Tensor } from './ops';

/** AdamW's constants (Loshchilov & Hutter 2019; PyTorch's defaults) and the clipping bound. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };

/** The trained numbers and their two moments, `[P]` each: the optimizer holds twice the trained numbers and nothing else. */
export interface OptimizerState {
  parameters: Tensor;
  firstMoment: Tensor;
  secondMoment: Tensor;
}

/** What an update depends on besides the gradient. */
export interface UpdateOptions {
  /** Learning rate of this step. */
  lr: number;
  weightDecay: number;
  /** Steps done before this one. */
  step: number;
}

/** Numbers of an update, `updateFactors` in this order: 1 / (1 − β₁ᵗ)·lr, 1 / √(1 − β₂ᵗ), 1 − lr·decay. */
export const UPDATE_FACTORS = 3;

/** The numbers that change from step to step, for the graph's input of that name. */
export function updateFactors({ lr, weightDecay, step }: UpdateOptions): Float32Array {
  const { beta1, beta2 } = ADAMW;
  const correction1 = 1 - beta1 ** (step + 1);
  const correction2 = 1 - beta2 ** (step + 1);
  return Float32Array.of(lr / correction1, 1 / Math.sqrt(correction2), 1 - lr * weightDecay);
}

/**
 * Learning rate of step s, counted from 0, of T: `lr·min((s+1)/w, (T−s)/(T−w))`, `w = max(1, round(warmup·T))` (METHOD §4).
 */
export function learningRate(lr: number, warmup: number, step: number, steps: number): number {
  const rising = Math.max(1, Math.round(warmup * steps));
  return lr * Math.min((step + 1) / rising, steps > rising ? (steps - step) / (steps - rising) : 1);
}

/** Euclidean norm of a gradient. // [P] → [] */
export function globalNorm(ops: Ops, gradient: Tensor): Tensor {
  return ops.sqrt(ops.sum(ops.square(gradient), [0]));
}

/**
 * One AdamW step as PyTorch defines it: clipping by global norm, decoupled decay, bias correction, ε outside the root.
 *
 * @param norm the gradient's global norm // []
 * @param factors from {@link updateFactors} // [3]
 * @param decayed how many numbers, from the start of the vector, decay
 */
export function adamW(
  ops: Ops,
  state: OptimizerState,
  gradient: Tensor,
  norm: Tensor,
  factors: Tensor,
  decayed: number,
): OptimizerState {
  const { beta1, beta2, epsilon, maxNorm } = ADAMW;
  const factor = (index: number) => ops.slice(factors, [index], [1]);
  const clip = ops.minimum(ops.scalar(1), ops.div(ops.scalar(maxNorm), ops.add(norm, ops.scalar(1e-6))));
  const clipped = ops.mul(gradient, clip);
  const firstMoment = ops.add(ops.scale(state.firstMoment, beta1), ops.scale(clipped, 1 - beta1));
  const secondMoment = ops.add(ops.scale(state.secondMoment, beta2), ops.scale(ops.square(clipped), 1 - beta2));
  const root = ops.add(ops.mul(ops.sqrt(secondMoment), factor(1)), ops.scalar(epsilon));
  const update = ops.mul(ops.div(firstMoment, root), factor(0));
  return { parameters: ops.sub(decay(ops, state.parameters, factor(2), decayed), update), firstMoment, secondMoment };
}

function decay(ops: Ops, parameters: Tensor, factor: Tensor, decayed: number): Tensor {
  if (decayed === 0) return parameters;
  const shrunk = ops.mul(ops.slice(parameters, [0], [decayed]), factor);
  return ops.concat([shrunk, ops.slice(parameters, [decayed], [-1])], 0);
}
