import type { Activation } from '../model/operations';
import type { Ops, Tensor } from './ops';

/** An activation's value and, where training asks for it, its derivative, entry by entry. */
export interface Activated {
  value: Tensor;
  derivative?: Tensor;
}

const SQRT_HALF = Math.SQRT1_2;
const LOG_INVERSE_SQRT_TAU = -Math.log(2 * Math.PI) / 2;
const TANH_SCALE = Math.sqrt(2 / Math.PI);
const TANH_CUBIC = 0.044715;

/** GELU (Hendrycks & Gimpel 2016): `x·Φ(x)`, derivative `Φ(x) + x·φ(x)`. */
function gelu(ops: Ops, x: Tensor, withDerivative: boolean): Activated {
  const scaled = ops.scale(x, SQRT_HALF);
  const cdf = ops.add(ops.scale(ops.erf(scaled), 0.5), ops.scalar(0.5));
  const value = ops.mul(x, cdf);
  if (!withDerivative) return { value };
  const density = ops.exp(ops.sub(ops.scalar(LOG_INVERSE_SQRT_TAU), ops.square(scaled)));
  return { value, derivative: ops.add(cdf, ops.mul(x, density)) };
}

/** GELU's tanh form: `x/2·(1 + tanh u)`, `u = √(2/π)·(x + 0.044715·x³)`. */
function geluTanh(ops: Ops, x: Tensor, withDerivative: boolean): Activated {
  const one = ops.scalar(1);
  const square = ops.square(x);
  const inner = ops.scale(ops.mul(x, ops.add(ops.scale(square, TANH_CUBIC), one)), TANH_SCALE);
  const tanh = ops.tanh(inner);
  const half = ops.scale(ops.add(tanh, one), 0.5);
  const value = ops.mul(x, half);
  if (!withDerivative) return { value };
  const innerSlope = ops.scale(ops.add(ops.scale(square, 3 * TANH_CUBIC), one), TANH_SCALE);
  const slope = ops.mul(ops.scale(ops.sub(one, ops.square(tanh)), 0.5), innerSlope);
  return { value, derivative: ops.add(half, ops.mul(x, slope)) };
}

/** `x·σ(s·x)`: SiLU at s = 1, the quick GELU at s = 1.702. */
function sigmoidLinear(steepness: number) {
  return (ops: Ops, x: Tensor, withDerivative: boolean): Activated => {
    const sigmoid = ops.sigmoid(ops.scale(x, steepness));
    const value = ops.mul(x, sigmoid);
    if (!withDerivative) return { value };
    const slope = ops.mul(ops.scale(value, steepness), ops.sub(ops.scalar(1), sigmoid));
    return { value, derivative: ops.add(sigmoid, slope) };
  };
}

function relu(ops: Ops, x: Tensor, withDerivative: boolean): Activated {
  const value = ops.relu(x);
  return withDerivative ? { value, derivative: ops.sign(value) } : { value };
}

function tanh(ops: Ops, x: Tensor, withDerivative: boolean): Activated {
  const value = ops.tanh(x);
  return withDerivative ? { value, derivative: ops.sub(ops.scalar(1), ops.square(value)) } : { value };
}

/** Every activation that a config may name. */
export const ACTIVATIONS: Record<Activation, (ops: Ops, x: Tensor, withDerivative: boolean) => Activated> = {
  gelu,
  gelu_new: geluTanh,
  quick_gelu: sigmoidLinear(1.702),
  silu: sigmoidLinear(1),
  relu,
  tanh,
};
