import type { Ops, Tensor, Variable } from './ops';

/** AdamW's constants (Loshchilov & Hutter 2019; PyTorch's defaults) and the clipping bound. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };

/**
 * Trainable parameters and their two moments, `[P]` each. The optimizer's memory is twice that of
 * the trainable parameters.
 */
export interface OptimizerState {
  parameters: Variable;
  firstMoment: Variable;
  secondMoment: Variable;
}

/** Inputs of an update besides the gradient. */
export interface UpdateOptions {
  /** Learning rate of this step. */
  lr: number;
  weightDecay: number;
  /** Number of steps before this one. */
  step: number;
}

/** Number of {@link updateFactors}. */
export const UPDATE_FACTORS = 4;

/**
 * Factors that change from step to step: the share of the gradient that clipping leaves, the
 * learning rate with both bias corrections, ε for {@link Ops.applyAdam}, the share of a weight that
 * decay leaves.
 *
 * @param norm the gradient's global norm
 */
export function updateFactors({ lr, weightDecay, step }: UpdateOptions, norm: number): Float32Array {
  const { beta1, beta2, epsilon, maxNorm } = ADAMW;
  const clip = Math.min(1, maxNorm / (norm + 1e-6));
  const root = Math.sqrt(1 - beta2 ** (step + 1));
  // The op adds ε to √v, PyTorch to √(v/(1 − β₂ᵗ)).
  return Float32Array.of(clip, (lr * root) / (1 - beta1 ** (step + 1)), epsilon * root, 1 - lr * weightDecay);
}

/**
 * Learning rate of step s, counted from 0, of T: `lr·min((s+1)/w, (T−s)/(T−w))`,
 * `w = max(1, round(warmup·T))` (docs/method.md).
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
 * AdamW step as PyTorch defines it: clipping by global norm, decoupled decay, bias correction, ε
 * outside the root.
 *
 * @param factors from {@link updateFactors} // [4]
 * @param decayed number of parameters that decay, from the start of the vector
 * @returns the output that takes the step when it is fetched
 */
export function adamW(ops: Ops, state: OptimizerState, gradient: Tensor, factors: Tensor, decayed: number): Tensor {
  const { parameters, firstMoment, secondMoment } = state;
  const factor = (index: number) => ops.reshape(ops.slice(factors, [index], [1]), []);
  const numbers = {
    beta1: ops.scalar(ADAMW.beta1),
    beta2: ops.scalar(ADAMW.beta2),
    lr: factor(1),
    epsilon: factor(2),
  };
  const shrunk = decayed === 0 ? undefined : ops.assign(parameters, decay(ops, parameters.value, factor(3), decayed));
  const clipped = ops.mul(gradient, factor(0));
  return ops.done(ops.applyAdam([parameters, firstMoment, secondMoment], numbers, clipped, shrunk));
}

function decay(ops: Ops, parameters: Tensor, factor: Tensor, decayed: number): Tensor {
  const shrunk = ops.mul(ops.slice(parameters, [0], [decayed]), factor);
  return ops.concat([shrunk, ops.slice(parameters, [decayed], [-1])], 0);
}
