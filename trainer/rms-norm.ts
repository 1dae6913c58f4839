import type { Tensor } from './ops';
import { narrowed, type Part, take } from './part';
import type { Tape } from './tape';

/**
 * Root mean square normalization over the last axis (Zhang & Sennrich 2019). // [..., n] → [..., n]
 *
 * @param scale // [n]
 */
export function rmsNorm(tape: Tape, x: Tensor, { scale, epsilon }: { scale: Tensor; epsilon: number }): Tensor {
  const { ops } = tape;
  const last = x.shape.length - 1;
  const inverse = ops.rsqrt(ops.add(ops.meanOfLast(ops.square(x)), ops.scalar(epsilon))); // [..., 1]
  const normalised = ops.mul(x, inverse); // [..., n]
  return tape.record({
    output: ops.mul(normalised, scale),
    inputs: [x, scale],
    reach: ([ofX, ofScale]) => (ofScale || ofX === 'all' || ofX?.axis === last ? 'all' : ofX),
    back(gradient, part, [ofX, ofScale]) {
      const leading = Array.from({ length: last }, (_, axis) => axis);
      return [
        ofX && narrowed(ops, byInput(gradient, part), part, ofX),
        ofScale && ops.sum(ops.mul(gradient, normalised), leading),
      ];
    },
  });

  function byInput(gradient: Tensor, part: Part): Tensor {
    const kept = take(ops, normalised, part);
    const byNormalised = ops.mul(gradient, scale);
    const projection = ops.meanOfLast(ops.mul(byNormalised, kept)); // [..., 1]
    return ops.mul(ops.sub(byNormalised, ops.mul(kept, projection)), take(ops, inverse, part));
  }
}
