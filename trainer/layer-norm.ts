import type { Tensor } from './ops';
import { take } from './part';
import type { Tape } from './tape';

/**
 * Layer normalization of each row (Ba et al. 2016). // [N, n] → [N, n]
 *
 * @param scale // [n]
 * @param offset absent if the norm has none // [n]
 */
export function layerNorm(
  tape: Tape,
  x: Tensor,
  { scale, offset, epsilon }: { scale: Tensor; offset?: Tensor; epsilon: number },
): Tensor {
  const { ops } = tape;
  const centred = ops.sub(x, ops.meanOfLast(x)); // [N, n]
  const variance = ops.meanOfLast(ops.square(centred)); // [N, 1]
  const inverseDeviation = ops.rsqrt(ops.add(variance, ops.scalar(epsilon))); // [N, 1]
  const normalised = ops.mul(centred, inverseDeviation); // [N, n]
  const scaled = ops.mul(normalised, scale);
  return tape.record({
    output: offset ? ops.add(scaled, offset) : scaled,
    inputs: offset ? [x, scale, offset] : [x, scale],
    reach: () => 'all',
    back(gradient, _, [ofX, ofScale, ofOffset]) {
      return [
        ofX && take(ops, byInput(gradient), ofX),
        ofScale && ops.sum(ops.mul(gradient, normalised), [0]),
        ofOffset && ops.sum(gradient, [0]),
      ];
    },
  });

  function byInput(gradient: Tensor): Tensor {
    const byNormalised = ops.mul(gradient, scale); // [N, n]
    const mean = ops.meanOfLast(byNormalised); // [N, 1]
    const projection = ops.meanOfLast(ops.mul(byNormalised, normalised)); // [N, 1]
    const rest = ops.sub(ops.sub(byNormalised, mean), ops.mul(normalised, projection)); // [N, n]
    return ops.mul(rest, inverseDeviation); // [N, n]
  }
}
