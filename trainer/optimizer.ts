import type { Tensor } from '@tensorflow/tfjs-node';
import type { Ops } from './ops';

/** AdamW's constants (Loshchilov & Hutter 2019; PyTorch's defaults) and the clipping bound. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };

/** The trained numbers and their two moments, `[P]` each: the optimizer holds twice the trained numbers and nothing else. */
export interface OptimizerState {
  parameters: Tensor;
  firstMoment: Tensor;
  secondMoment: Tensor;
}

/** What one update depends on besides the gradient. */
export interface UpdateOptions {
  /** Learning rate of this step. */
  lr: number;
  weightDecay: number;
  /** How many numbers, from the start of the vector, decay. */
  decayed: number;
  /** Steps done before this one. */
  step: number;
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
 * @param norm the gradient's global norm, as a number
 * @returns the next state; the one that went in is left alone
 */
export function adamW(
  ops: Ops,
  state: OptimizerState,
  gradient: Tensor,
  norm: number,
  options: UpdateOptions,
): OptimizerState {
  const { beta1, beta2, epsilon, maxNorm } = ADAMW;
  return ops.tidy(() => {
    const clip = Math.min(1, maxNorm / (norm + 1e-6));
    const clipped = clip < 1 ? ops.scale(gradient, clip) : gradient;
    const firstMoment = ops.add(ops.scale(state.firstMoment, beta1), ops.scale(clipped, 1 - beta1));
    const secondMoment = ops.add(ops.scale(state.secondMoment, beta2), ops.scale(ops.square(clipped), 1 - beta2));

    const correction1 = 1 - beta1 ** (options.step + 1);
    const correction2 = 1 - beta2 ** (options.step + 1);
    const root = ops.scale(ops.sqrt(secondMoment), 1 / Math.sqrt(correction2));
    const update = ops.div(firstMoment, ops.add(root, ops.scalar(epsilon)));
    const parameters = ops.sub(decay(ops, state.parameters, options), ops.scale(update, options.lr / correction1));
    return { parameters, firstMoment, secondMoment };
  });
}

function decay(ops: Ops, parameters: Tensor, { lr, weightDecay, decayed }: UpdateOptions): Tensor {
  if (weightDecay === 0 || decayed === 0) return parameters;
  const shrunk = ops.scale(ops.slice(parameters, [0], [decayed]), 1 - lr * weightDecay);
  return ops.concat([shrunk, ops.slice(parameters, [decayed], [-1])], 0);
}
