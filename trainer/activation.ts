import type { Activation } from '../model/operations';
import type { Ops, Tensor } from './ops';

/** An activation's value, and its derivative entry by entry. */
export interface Activated {
  value: Tensor;
  /** @param part takes a part of each value that the derivative reads */
  derivative(part: (kept: Tensor) => Tensor): Tensor;
}

const SQRT_HALF = Math.SQRT1_2;
const LOG_INVERSE_SQRT_TAU = -Math.log(2 * Math.PI) / 2;
const TANH_SCALE = Math.sqrt(2 / Math.PI);
const TANH_CUBIC = 0.044715;

/** GELU (Hendrycks & Gimpel 2016): `x·Φ(x)`, derivative `Φ(x) + x·φ(x)`. */
function gelu(ops: Ops, x: Tensor): Activated {
  const scaled = ops.scale(x, SQRT_HALF);
  const cdf = ops.add(ops.scale(ops.erf(scaled), 0.5), ops.scalar(0.5));
  return {
    value: ops.mul(x, cdf),
    derivative(part) {
      const density = ops.exp(ops.sub(ops.scalar(LOG_INVERSE_SQRT_TAU), ops.square(part(scaled))));
      return ops.add(part(cdf), ops.mul(part(x), density));
    },
  };
}

/** GELU's tanh form: `x/2·(1 + tanh u)`, `u = √(2/π)·(x + 0.044715·x³)`. */
function geluTanh(ops: Ops, x: Tensor): Activated {
  const one = ops.scalar(1);
  const square = ops.square(x);
  const inner = ops.scale(ops.mul(x, ops.add(ops.scale(square, TANH_CUBIC), one)), TANH_SCALE);
  const tanh = ops.tanh(inner);
  const half = ops.scale(ops.add(tanh, one), 0.5);
  return {
    value: ops.mul(x, half),
    derivative(part) {
      const innerSlope = ops.scale(ops.add(ops.scale(part(square), 3 * TANH_CUBIC), one), TANH_SCALE);
      const slope = ops.mul(ops.scale(ops.sub(one, ops.square(part(tanh))), 0.5), innerSlope);
      return ops.add(part(half), ops.mul(part(x), slope));
    },
  };
}

/** `x·σ(s·x)`: SiLU at s = 1, the quick GELU at s = 1.702. */
function sigmoidLinear(steepness: number) {
  return (ops: Ops, x: Tensor): Activated => {
    const sigmoid = ops.sigmoid(ops.scale(x, steepness));
    const value = ops.mul(x, sigmoid);
    return {
      value,
      derivative(part) {
        const kept = part(sigmoid);
        const slope = ops.mul(ops.scale(part(value), steepness), ops.sub(ops.scalar(1), kept));
        return ops.add(kept, slope);
      },
    };
  };
}

function relu(ops: Ops, x: Tensor): Activated {
  const value = ops.relu(x);
  return { value, derivative: (part) => ops.sign(part(value)) };
}

function tanh(ops: Ops, x: Tensor): Activated {
  const value = ops.tanh(x);
  return { value, derivative: (part) => ops.sub(ops.scalar(1), ops.square(part(value))) };
}

/** Every activation that a config may name. */
export const ACTIVATIONS: Record<Activation, (ops: Ops, x: Tensor) => Activated> = {
  gelu,
  gelu_new: geluTanh,
  quick_gelu: sigmoidLinear(1.702),
  silu: sigmoidLinear(1),
  relu,
  tanh,
};
