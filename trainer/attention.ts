import type { Ops, Tensor } from './ops';
import { narrowed, type Part, stretched, take, union } from './part';
import type { Tape } from './tape';

/** Cuts rows into heads. // [B·S, n·dh] → [B, n, S, dh] */
function split(ops: Ops, rows: Tensor, batch: Tensor | 1, headDim: number): Tensor {
  const parts = ops.reshape(rows, [batch, -1, rows.shape[1]! / headDim, headDim]);
  return ops.transpose(parts, [0, 2, 1, 3]);
}

/** Inverse of {@link split}. // [B, n, S, dh] → [B·S, n·dh] */
function join(ops: Ops, heads: Tensor): Tensor {
  const [, count, , headDim] = heads.shape;
  return ops.reshape(ops.transpose(heads, [0, 2, 1, 3]), [-1, count! * headDim!]);
}

/** Heads whose columns these are; `all` if a head's columns are not all among them. */
function headsOf(part: Part, headDim: number): Part {
  if (part === 'all' || part.ranges.some((range) => range.some((index) => index % headDim !== 0))) return 'all';
  return stretched(part, 1, 1 / headDim);
}

const columnsOf = (part: Part, headDim: number): Part => (part === 'all' ? part : stretched(part, 1, headDim));

/** @param batch B // [1] */
export function splitHeads(tape: Tape, rows: Tensor, batch: Tensor | 1, headDim: number): Tensor {
  const { ops } = tape;
  return tape.record({
    output: split(ops, rows, batch, headDim),
    inputs: [rows],
    reach: ([part]) => headsOf(part!, headDim),
    back: (gradient, part, [wanted]) => [narrowed(ops, join(ops, gradient), columnsOf(part, headDim), wanted!)],
  });
}

/** @param batch B // [1] */
export function joinHeads(tape: Tape, heads: Tensor, batch: Tensor): Tensor {
  const { ops } = tape;
  const headDim = heads.shape[3]!;
  return tape.record({
    output: join(ops, heads),
    inputs: [heads],
    reach: ([part]) => columnsOf(part!, headDim),
    back: (gradient) => [split(ops, gradient, batch, headDim)],
  });
}

/** Computes Q·Kᵀ. // [B, H, …, Sq, dh], [B, H, …, S, dh] → [B, H, …, Sq, S] */
export function scores(tape: Tape, query: Tensor, key: Tensor): Tensor {
  const { ops } = tape;
  return tape.record({
    output: ops.batchMatMul(query, key, { b: true }),
    inputs: [query, key],
    reach: union,
    back(gradient, part, [ofQuery, ofKey]) {
      const of = (wanted: Part) => narrowed(ops, gradient, part, wanted);
      return [
        ofQuery && ops.batchMatMul(of(ofQuery), take(ops, key, ofQuery)),
        ofKey && ops.batchMatMul(of(ofKey), take(ops, query, ofKey), { a: true }),
      ];
    },
  });
}

/** Softmax over the last axis. // [B, H, …, S] */
export function softmax(tape: Tape, x: Tensor): Tensor {
  const { ops } = tape;
  const probabilities = ops.softmax(x);
  return tape.record({
    output: probabilities,
    inputs: [x],
    reach: ([part]) => part,
    back(gradient, part) {
      const kept = take(ops, probabilities, part); // [B, n, …, S]
      const mean = ops.sum(ops.mul(gradient, kept), [x.shape.length - 1], true); // [B, n, …, 1]
      return [ops.mul(kept, ops.sub(gradient, mean))];
    },
  });
}

/** Sums values by probabilities. // [B, H, …, Sq, S], [B, H, …, S, dh] → [B, H, …, Sq, dh] */
export function weightedSum(tape: Tape, probabilities: Tensor, value: Tensor): Tensor {
  const { ops } = tape;
  return tape.record({
    output: ops.batchMatMul(probabilities, value),
    inputs: [probabilities, value],
    reach: union,
    back(gradient, part, [ofProbabilities, ofValue]) {
      const of = (wanted: Part) => narrowed(ops, gradient, part, wanted);
      return [
        ofProbabilities && ops.batchMatMul(of(ofProbabilities), take(ops, value, ofProbabilities), { b: true }),
        ofValue && ops.batchMatMul(take(ops, probabilities, ofValue), of(ofValue), { a: true }),
      ];
    },
  });
}
