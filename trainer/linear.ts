import type { Tensor } from './ops';
import { narrowed, type Part, partOf, take, union } from './part';
import type { Tape } from './tape';

/** Weight matrix in the engine. */
export interface Matrix {
  tensor: Tensor; // [out, in], transposed [in, out]
  transposed: boolean;
}

/** Computes x·Wᵀ. // [N, in] → [N, out] */
export function linear(tape: Tape, x: Tensor, { tensor: weight, transposed }: Matrix): Tensor {
  const { ops } = tape;
  const inAxis = transposed ? 0 : 1;
  return tape.record({
    output: ops.matMul(x, weight, { b: !transposed }),
    inputs: [x, weight],
    reach: ([ofX, ofWeight]) =>
      ofX || ofWeight === 'all' || ofWeight!.axis === inAxis ? 'all' : alongAxis(ofWeight!, 1),
    back(gradient, part, [ofX, ofWeight]) {
      const byWeight = (wanted: Part) => {
        const ofInput = wanted !== 'all' && wanted.axis === inAxis;
        const input = ofInput ? take(ops, x, partOf(1, wanted.ranges)) : x;
        const output = narrowed(ops, gradient, part, ofInput ? 'all' : alongAxis(wanted, 1)); // [N, r]
        return transposed ? ops.matMul(input, output, { a: true }) : ops.matMul(output, input, { a: true });
      };
      return [
        ofX && ops.matMul(gradient, take(ops, weight, alongAxis(ofX, inAxis)), { b: transposed }),
        ofWeight && byWeight(ofWeight),
      ];
    },
  });
}

/** Adds a bias to each row. // [N, n] */
export function addBias(tape: Tape, x: Tensor, bias: Tensor): Tensor {
  const { ops } = tape;
  return tape.record({
    output: ops.biasAdd(x, bias),
    inputs: [x, bias],
    reach: ([ofX, ofBias]) => union([ofX, ofBias && alongAxis(ofBias, 1)]),
    back: (gradient, part, [ofX, ofBias]) => [
      ofX && narrowed(ops, gradient, part, ofX),
      ofBias && ops.sum(narrowed(ops, gradient, part, alongAxis(ofBias, 1)), [0]),
    ],
  });
}

/** The same ranges on another axis. */
const alongAxis = (part: Part, axis: number): Part => (part === 'all' ? part : { axis, ranges: part.ranges });
