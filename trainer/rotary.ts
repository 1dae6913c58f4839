import type { Ops, Tensor } from './ops';
import type { Tape } from './tape';

/** Turns of a head's pairs, as complex numbers: cosine and sine of each angle. */
export interface Turn {
  forward: Tensor; // [..., dh/2, 2]
  /** The inverse, which turns gradients. */
  backward: Tensor; // [..., dh/2, 2]
}

/**
 * Turns of tokens: a token's angle is its place in its sequence times each frequency.
 *
 * @param frequencies radians per token // [dh/2]
 * @param places // [S, 1] or [B, 1, 1, 1]
 */
export function turnByPlace(ops: Ops, frequencies: readonly number[], places: Tensor): Turn {
  const angles = ops.mul(places, ops.vector(frequencies)); // [..., dh/2]
  const [cosine, sine] = [ops.cos(angles), ops.sin(angles)];
  const { shape } = angles;
  const part = (x: Tensor) => ops.reshape(x, [...shape.map((size) => size ?? -1), 1]); // [..., dh/2, 1]
  const pair = (imaginary: Tensor) => ops.concat([part(cosine), part(imaginary)], shape.length); // [..., dh/2, 2]
  return { forward: pair(sine), backward: pair(ops.scale(sine, -1)) };
}

/**
 * Rotary positions with split halves (Su et al. 2021): turns each pair (i, i + dh/2) of a head's
 * numbers, in one complex product. The pairs of the result are neighbours, at 2i and 2i + 1, since
 * scores do not depend on the order of a head's numbers. // [B, H, S, dh] → [B, H, S, dh]
 *
 * @param turn absent for a token at place 0, which is only reordered
 */
export function rotary(tape: Tape, x: Tensor, turn?: Turn): Tensor {
  const { ops } = tape;
  const half = x.shape[3]! / 2;
  const tokens = ops.size(x, 2);
  /** Puts the split halves side by side. // [B, n, S, dh] → [B, n, S, dh/2, 2] */
  const paired = (heads: Tensor) =>
    ops.reshape(ops.transpose(ops.reshape(heads, [-1, 2, half]), [0, 2, 1]), pairsOf(heads));
  /** Inverse of `paired`, in the shape of `heads`. // [B, n, S, dh/2, 2] → [B, n, S, dh] */
  const split = (pairs: Tensor, heads: Tensor) =>
    like(heads, ops.transpose(ops.reshape(pairs, [-1, half, 2]), [0, 2, 1]));
  const pairsOf = ({ shape }: Tensor) => [-1, shape[1]!, tokens, half, 2];
  const like = ({ shape }: Tensor, y: Tensor): Tensor => ({
    ...ops.reshape(y, [-1, shape[1]!, tokens, 2 * half]),
    shape,
  });
  const turned = (pairs: Tensor, by?: Tensor) => (by ? ops.complexMul(pairs, by) : pairs);
  return tape.record({
    output: like(x, turned(paired(x), turn?.forward)),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [split(turned(ops.reshape(gradient, pairsOf(gradient)), turn?.backward), gradient)],
  });
}
