import type { Tensor } from './ops';
import { stretched } from './part';
import type { Tape } from './tape';

/**
 * Repeats each head in place, so that a group of query heads reads one key or value head. // [B, G,
 * S, dh] → [B, G·times, S, dh]
 *
 * @param batch B // [1]
 */
export function repeatHeads(tape: Tape, heads: Tensor, times: number, batch: Tensor): Tensor {
  if (times === 1) return heads;
  const { ops } = tape;
  const [, groups, , headDim] = heads.shape;
  const apart = ops.reshape(heads, [batch, groups!, 1, -1]); // [B, G, 1, S·dh]
  const copies = ops.concat(new Array<Tensor>(times).fill(apart), 2);
  return tape.record({
    output: ops.reshape(copies, [batch, groups! * times, -1, headDim!]),
    inputs: [heads],
    reach: ([part]) => (part === 'all' ? part : stretched(part!, 1, times)),
    back(gradient) {
      const byCopy = ops.reshape(gradient, [batch, gradient.shape[1]! / times, times, -1]);
      return [ops.reshape(ops.sum(byCopy, [2]), [batch, gradient.shape[1]! / times, -1, headDim!])];
    },
  });
}
