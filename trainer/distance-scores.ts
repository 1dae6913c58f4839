import { scores, splitHeads } from './attention';
import { add } from './elementwise';
import type { Ops, Tensor } from './ops';
import type { Tape } from './tape';
import { tableRows } from './tokens';

/** Sizes of a product with rows of distances. */
interface Sizes {
  /** Tokens of the product. // [1] */
  count: Tensor;
  /** Tokens on the other side of the scores. // [1] */
  others: Tensor;
}

/**
 * Adds to each score the product of one of its tokens with the row of their distance.
 *
 * Each token is multiplied with the rows of all distances that occur, and the products are then
 * shifted into place, token by token (Huang et al. 2018, arXiv 1809.04281, §3.4.1).
 *
 * @param all // [B, H, Sq, S]
 * @param x queries or keys // [B, H, count, dh]
 * @param rows rows of distances // [R, H·dh]
 * @param at row of each distance: of place `count − 1` to place 0 on the other side second, then of
 *   the next on the other side, and so on // int32 [count + others]
 * @param byKey true if the tokens of `x` are keys
 */
export function addDistanceScores(
  tape: Tape,
  all: Tensor,
  x: Tensor,
  rows: Tensor,
  { at, byKey, ...sizes }: Sizes & { at: Tensor; byKey: boolean },
): Tensor {
  const perDistance = splitHeads(tape, tableRows(tape, rows, at, undefined), 1, x.shape[3]!); // [1, H, W, dh]
  const ofEach = repeated(tape, perDistance, tape.ops.size(x, 0)); // [B, H, W, dh], W = count + others
  const products = scores(tape, x, ofEach); // [B, H, count, W]
  const inPlace = shift(tape, products, sizes); // [B, H, count, others]
  return add(tape, all, byKey ? swapped(tape, inPlace) : inPlace);
}

/**
 * Takes from row i the numbers `count − i` … `count − i + others − 1`.
 * // [B, H, count, count + others] → [B, H, count, others]
 */
function shift(tape: Tape, x: Tensor, { count, others }: Sizes): Tensor {
  const { ops } = tape;
  const sizes = (tensor: Tensor) => [ops.size(tensor, 0), tensor.shape[1]!] as const;
  return tape.record({
    output: forth(x),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [back(gradient)],
  });

  /** With rows as long as there are rows, dropping the first moves row i by i + 1 numbers. */
  function forth(rows: Tensor): Tensor {
    const square = ops.reshape(rows, [...sizes(rows), -1, count]); // [B, H, count + others, count]
    const rest = ops.slice(square, [0, 0, 1, 0], [-1, -1, -1, -1]);
    const moved = ops.reshape(rest, [...sizes(rows), count, -1]); // [B, H, count, count + others − 1]
    return ops.slice(moved, [0, 0, 0, 0], [-1, -1, -1, others]);
  }

  function back(gradient: Tensor): Tensor {
    const surplus = ops.sub(count, ops.integers([1]));
    const moved = ops.pad(gradient, 3, 0, surplus); // [B, n, count, count + others − 1]
    const rest = ops.reshape(moved, [...sizes(gradient), -1, count]);
    const square = ops.pad(rest, 2, 1, 0); // [B, n, count + others, count]
    return ops.reshape(square, [...sizes(gradient), count, -1]);
  }
}

/** Repeats a value for each sequence. // [1, H, W, dh] → [B, H, W, dh] */
function repeated(tape: Tape, x: Tensor, batch: Tensor): Tensor {
  return tape.record({
    output: tape.ops.repeat(x, batch),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [tape.ops.sum(gradient, [0], true)],
  });
}

/** Swaps the last two axes. // [B, H, S, Sq] → [B, H, Sq, S] */
function swapped(tape: Tape, x: Tensor): Tensor {
  const turn = (ops: Ops, each: Tensor) => ops.transpose(each, [0, 1, 3, 2]);
  return tape.record({
    output: turn(tape.ops, x),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [turn(tape.ops, gradient)],
  });
}
