import type { Ops, Tensor } from './ops';
import type { Tape } from './tape';

/** Cosines and sines of the angles by which heads are turned. // [..., dh/2] each */
export interface Turn {
  cosine: Tensor;
  sine: Tensor;
}

/**
 * Angles of tokens: a token's place in its sequence times each frequency.
 *
 * @param frequencies radians per token // [dh/2]
 * @param places // [S, 1] or [B, 1, 1, 1]
 */
export function turnByPlace(ops: Ops, frequencies: readonly number[], places: Tensor): Turn {
  const angles = ops.mul(places, ops.vector(frequencies)); // [..., dh/2]
  return { cosine: ops.cos(angles), sine: ops.sin(angles) };
}

/**
 * Rotary positions with split halves (Su et al. 2021): turns each pair (i, i + dh/2) of a head's
 * numbers. // [B, H, S, dh] → [B, H, S, dh]
 */
export function rotary(tape: Tape, x: Tensor, turn: Turn): Tensor {
  const { ops } = tape;
  return tape.record({
    output: turned(ops, x, turn),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [turned(ops, gradient, { ...turn, sine: ops.scale(turn.sine, -1) })],
  });
}

function turned(ops: Ops, x: Tensor, { cosine, sine }: Turn): Tensor {
  const half = x.shape[3]! / 2;
  const first = ops.slice(x, [0, 0, 0, 0], [-1, -1, -1, half]);
  const second = ops.slice(x, [0, 0, 0, half], [-1, -1, -1, half]);
  const left = ops.sub(ops.mul(first, cosine), ops.mul(second, sine));
  const right = ops.add(ops.mul(second, cosine), ops.mul(first, sine));
  return ops.concat([left, right], 3);
}
