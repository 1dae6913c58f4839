import type { Tensor } from './ops';
import { narrowed, type Part, partOf, take, union } from './part';
import type { Tape } from './tape';

/** Weight matrix in the engine. */
export interface Matrix {
  tensor: Tensor; // [out, in], transposed [in, out]
  transposed: boolean;
}

/** Computes x·Wᵀ + b. // [N, in] → [N, out] */
export function linear(tape: Tape, x: Tensor, { tensor: weight, transposed }: Matrix, bias?: Tensor): Tensor {
  const { ops } = tape;
  const inAxis = transposed ? 0 : 1;
  const product = ops.matMul(x, weight, { b: !transposed });
  const features = (part: Part, axis: number) => (part === 'all' ? part : { axis, ranges: part.ranges });
  return tape.record({
    output: bias ? ops.biasAdd(product, bias) : product,
    inputs: bias ? [x, weight, bias] : [x, weight],
    reach([ofX, ofWeight, ofBias]) {
      if (ofX || (ofWeight && (ofWeight === 'all' || ofWeight.axis === inAxis))) return 'all';
      return union([ofWeight, ofBias].map((part) => part && features(part, 1)));
    },
    back(gradient, part, [ofX, ofWeight, ofBias]) {
      const once = new Map<string, Tensor>();
      const byFeatures = (wanted: Part) => {
        const key = wanted === 'all' ? wanted : String(wanted.ranges);
        const made = once.get(key) ?? narrowed(ops, gradient, part, features(wanted, 1));
        once.set(key, made);
        return made; // [N, r]
      };
      const byWeight = (wanted: Part) => {
        const ofInput = wanted !== 'all' && wanted.axis === inAxis;
        const input = ofInput ? take(ops, x, partOf(1, wanted.ranges)) : x;
        const output = byFeatures(ofInput ? 'all' : wanted);
        return transposed ? ops.matMul(input, output, { a: true }) : ops.matMul(output, input, { a: true });
      };
      return [
        ofX && ops.matMul(gradient, take(ops, weight, features(ofX, inAxis)), { b: transposed }),
        ofWeight && byWeight(ofWeight),
        ofBias && ops.sum(byFeatures(ofBias), [0]),
      ];
    },
  });
}
