import type { Activation } from '../model/operations';
import { ACTIVATIONS } from './activation';
import type { Tensor } from './ops';
import { narrowed, take, union } from './part';
import type { Tape } from './tape';

/** Applies an activation. */
export function activate(tape: Tape, x: Tensor, activation: Activation): Tensor {
  const { ops } = tape;
  const { value, derivative } = ACTIVATIONS[activation](ops, x);
  return tape.record({
    output: value,
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient, part) => [
      ops.mul(
        gradient,
        derivative((kept) => take(ops, kept, part)),
      ),
    ],
  });
}

/** Adds two tensors of one shape. */
export function add(tape: Tape, a: Tensor, b: Tensor): Tensor {
  const { ops } = tape;
  return tape.record({
    output: ops.add(a, b),
    inputs: [a, b],
    reach: union,
    back: (gradient, part, wanted) => wanted.map((of) => of && narrowed(ops, gradient, part, of)),
  });
}

/** Multiplies two tensors of one shape. */
export function multiply(tape: Tape, a: Tensor, b: Tensor): Tensor {
  const { ops } = tape;
  return tape.record({
    output: ops.mul(a, b),
    inputs: [a, b],
    reach: union,
    back: (gradient, part, wanted) =>
      wanted.map((of, i) => of && ops.mul(narrowed(ops, gradient, part, of), take(ops, i === 0 ? b : a, of))),
  });
}

/** Multiplies by factors that do not depend on what is trained: those of a dropout. */
export function multiplyBy(tape: Tape, x: Tensor, factors: Tensor): Tensor {
  const { ops } = tape;
  return tape.record({
    output: ops.mul(x, factors),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient, part) => [ops.mul(gradient, take(ops, factors, part))],
  });
}

/** Adds what does not depend on what is trained: a mask, broadcast to the shape of `x`. */
export function addConstant(tape: Tape, x: Tensor, constant: Tensor): Tensor {
  return tape.record({
    output: tape.ops.add(x, constant),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [gradient],
  });
}
