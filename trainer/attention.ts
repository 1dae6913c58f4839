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

/**
 * Multiplies the output of each head by its trained gate.
 *
 * @param offsets of the gates from 1 // [H]
 */
export function gateHeads(tape: Tape, heads: Tensor, offsets: Tensor): Tensor {
  const { ops } = tape;
  const gates = ops.reshape(ops.add(offsets, ops.scalar(1)), [1, heads.shape[1]!, 1, 1]); // [1, H, 1, 1]
  return tape.record({
    output: ops.mul(heads, gates), // [B, H, Sq, dh]
    inputs: [heads, offsets],
    reach: () => 'all',
    back: (gradient, _, [ofHeads]) => [
      ofHeads && take(ops, ops.mul(gradient, gates), ofHeads),
      ops.sum(ops.mul(gradient, heads), [0, 2, 3]), // [H]
    ],
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

/**
 * Products of probabilities with their gradient, summed over each row: of the gradient of a
 * softmax. By the name of the probabilities. // [B, H, …, Sq, 1] each
 */
export type RowProducts = Map<string, Tensor>;

/**
 * Softmax over the last axis. // [B, H, …, S]
 *
 * @param products those that {@link weightedSum} has found; others are computed
 */
export function softmax(tape: Tape, x: Tensor, products: RowProducts = new Map()): Tensor {
  const { ops } = tape;
  const probabilities = ops.softmax(x);
  return tape.record({
    output: probabilities,
    inputs: [x],
    reach: ([part]) => part,
    back(gradient, part) {
      const kept = take(ops, probabilities, part); // [B, n, …, S]
      const mean = products.get(probabilities.name) ?? rowProducts(ops, gradient, kept); // [B, n, …, 1]
      return [ops.mul(kept, ops.sub(gradient, mean))];
    },
  });
}

/**
 * Sums values by probabilities. // [B, H, …, Sq, S], [B, H, …, S, dh] → [B, H, …, Sq, dh]
 *
 * Its gradient also has the row products of the probabilities, since
 * `Σ_j p_j·(g·v_j) = g·Σ_j p_j·v_j` (Dao et al. 2022, appendix B.2): a sum over dh numbers, not
 * over the keys.
 *
 * @param source name of the softmax whose probabilities these are, perhaps after a dropout
 * @param products for its row products
 */
export function weightedSum(
  tape: Tape,
  probabilities: Tensor,
  value: Tensor,
  { source, products }: { source: string; products: RowProducts } = { source: '', products: new Map() },
): Tensor {
  const { ops } = tape;
  const output = ops.batchMatMul(probabilities, value);
  return tape.record({
    output,
    inputs: [probabilities, value],
    reach: union,
    back(gradient, part, [ofProbabilities, ofValue]) {
      const of = (wanted: Part) => narrowed(ops, gradient, part, wanted);
      if (ofProbabilities)
        products.set(source, rowProducts(ops, of(ofProbabilities), take(ops, output, ofProbabilities)));
      return [
        ofProbabilities && ops.batchMatMul(of(ofProbabilities), take(ops, value, ofProbabilities), { b: true }),
        ofValue && ops.batchMatMul(take(ops, probabilities, ofValue), of(ofValue), { a: true }),
      ];
    },
  });
}

/** Products of two tensors of one shape, summed over the last axis. // [..., n] → [..., 1] */
const rowProducts = (ops: Ops, a: Tensor, b: Tensor) => ops.sum(ops.mul(a, b), [a.shape.length - 1], true);
