import { addBias, linear } from './linear';
import type { Tensor } from './ops';
import { take } from './part';
import type { Tape } from './tape';

/** Weights and inputs of {@link convolve}. */
export interface Convolution {
  /** [out, in, width] */
  weight: Tensor;
  /** [out] */
  bias: Tensor;
  /** 1 at real tokens, 0 at padding. // [B, S, 1] */
  real: Tensor;
  /** B // [1] */
  batch: Tensor;
}

/** Convolution of each sequence, of odd width, with zeros around it. // [B·S, in] → [B·S, out] */
export function convolve(tape: Tape, x: Tensor, { weight, bias, ...sequences }: Convolution): Tensor {
  const { ops } = tape;
  const [out, into, width] = weight.shape as number[];
  const matrix = tape.record({
    output: ops.reshape(weight, [out, into * width]),
    inputs: [weight],
    reach: () => 'all',
    back: (gradient) => [ops.reshape(gradient, [out, into, width])],
  });
  const rows = neighbours(tape, x, width, sequences);
  const product = linear(tape, rows, { tensor: matrix, transposed: false });
  return addBias(tape, product, bias);
}

/** Numbers of each token and of those beside it, by feature. // [B·S, in] → [B·S, in·width] */
function neighbours(
  tape: Tape,
  x: Tensor,
  width: number,
  { real, batch }: Pick<Convolution, 'real' | 'batch'>,
): Tensor {
  const { ops } = tape;
  const into = x.shape[1]!;
  const beside = (width - 1) / 2;
  const length = ops.size(real, 1);
  const offsets = Array.from({ length: width }, (_, offset) => offset);
  const sequences = ops.mul(ops.reshape(x, [batch, -1, into]), real); // [B, S, in]
  const padded = ops.pad(sequences, 1, beside, beside); // [B, S + width − 1, in]
  const shifted = offsets.map((offset) =>
    ops.reshape(ops.slice(padded, [0, offset, 0], [-1, length, -1]), [-1, into, 1]),
  );
  return tape.record({
    output: ops.reshape(ops.concat(shifted, 2), [-1, into * width]),
    inputs: [x],
    reach: () => 'all',
    back(gradient, _, [wanted]) {
      const byOffset = ops.reshape(gradient, [batch, -1, into, width]);
      const moved = offsets.map((offset) => {
        const each = ops.reshape(ops.slice(byOffset, [0, 0, 0, offset], [-1, -1, -1, 1]), [batch, -1, into]);
        return ops.pad(each, 1, offset, width - 1 - offset); // [B, S + width − 1, in]
      });
      const sum = moved.reduce((before, each) => ops.add(before, each));
      const own = ops.mul(ops.slice(sum, [0, beside, 0], [-1, length, -1]), real); // [B, S, in]
      return [wanted && take(ops, ops.reshape(own, [-1, into]), wanted)];
    },
  });
}
