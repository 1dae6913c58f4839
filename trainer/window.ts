import type { Ops, Tensor } from './ops';
import type { Tape } from './tape';

/** Added to the score of a key beyond its query's window: its probability is exactly 0. */
const BEYOND = -1e9;

/**
 * Blocks of a sequence's tokens for local attention, so that it costs by the window and not by S².
 * A block has 2·window tokens, and its keys are the block with `halo` = window tokens on each side.
 * A sequence of up to 4·window tokens is one block without a halo. // [1] each, int32
 */
export interface Blocks {
  /** Number of blocks, and tokens of each. */
  count: Tensor;
  size: Tensor;
  halo: Tensor;
  twoHalos: Tensor;
  /** S; the padding behind it that fills the last block; their sum. */
  length: Tensor;
  rest: Tensor;
  filled: Tensor;
  /** Sums and differences of these. */
  restAndHalo: Tensor;
  sizeWithoutHalos: Tensor;
}

/** @param length S // [1] */
export function blocksOf(ops: Ops, window: number, length: Tensor): Blocks {
  const S = ops.toFloat(length);
  const isLong = ops.relu(ops.sign(ops.sub(S, ops.scalar(4 * window)))); // 0 or 1
  const size = ops.add(S, ops.mul(isLong, ops.sub(ops.scalar(2 * window), S)));
  const halo = ops.scale(isLong, window);
  const count = ops.floor(ops.div(ops.sub(ops.add(S, size), ops.scalar(1)), size));
  const rest = ops.sub(ops.mul(count, size), S);
  return {
    count: ops.toInt(count),
    size: ops.toInt(size),
    halo: ops.toInt(halo),
    twoHalos: ops.toInt(ops.scale(halo, 2)),
    length,
    rest: ops.toInt(rest),
    filled: ops.toInt(ops.add(S, rest)),
    restAndHalo: ops.toInt(ops.add(rest, halo)),
    sizeWithoutHalos: ops.toInt(ops.sub(size, ops.scale(halo, 2))),
  };
}

/** Queries, by blocks. // [B, n, S, dh] → [B, n, blocks, size, dh] */
export const blockQueries = (tape: Tape, x: Tensor, blocks: Blocks): Tensor =>
  tape.record({
    output: cut(tape.ops, x, blocks),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [joined(tape.ops, gradient, blocks)],
  });

/** Inverse of {@link blockQueries}. // [B, n, blocks, size, dh] → [B, n, S, dh] */
export const joinBlocks = (tape: Tape, x: Tensor, blocks: Blocks): Tensor =>
  tape.record({
    output: joined(tape.ops, x, blocks),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [cut(tape.ops, gradient, blocks)],
  });

/** Keys or values of each block. // [B, n, S, dh] → [B, n, blocks, size + 2·halo, dh] */
export const blockKeys = (tape: Tape, x: Tensor, blocks: Blocks): Tensor =>
  tape.record({
    output: framed(tape.ops, x, blocks),
    inputs: [x],
    reach: ([part]) => part,
    back: (gradient) => [unframed(tape.ops, gradient, blocks)],
  });

/**
 * 0 at keys within their query's window, very negative beyond it and at padding.
 * // [B, 1, blocks, size, size + 2·halo]
 *
 * @param mask 0 at real tokens, very negative at padding // [B, 1, 1, S]
 */
export function blockMask(ops: Ops, mask: Tensor, window: number, blocks: Blocks): Tensor {
  const batch = ops.size(mask, 0);
  const real = ops.reshape(ops.add(ops.sign(mask), ops.scalar(1)), [batch, 1, -1, 1]); // [B, 1, S, 1]
  const keys = framed(ops, real, blocks); // [B, 1, blocks, size + 2·halo, 1]
  const padding = ops.scale(ops.sub(keys, ops.scalar(1)), -BEYOND);
  const row = ops.reshape(padding, [batch, 1, blocks.count, 1, -1]);
  const places = ops.sub(ops.range(ops.size(keys, 3)), ops.toFloat(blocks.halo)); // within the block
  return ops.add(row, beyond(ops, ops.sub(places, ops.reshape(ops.range(blocks.size), [-1, 1])), window));
}

/** The same for the first token's query alone. // [B, 1, 1, S] */
export const firstTokenMask = (ops: Ops, mask: Tensor, window: number): Tensor =>
  ops.add(mask, beyond(ops, ops.range(ops.size(mask, 3)), window));

const beyond = (ops: Ops, distance: Tensor, window: number) =>
  ops.scale(ops.relu(ops.sign(ops.sub(ops.square(distance), ops.scalar(window ** 2)))), BEYOND);

/** // [B, n, S, dh] → [B, n, blocks, size, dh] */
function cut(ops: Ops, x: Tensor, { rest, count, size }: Blocks): Tensor {
  const [, heads, , width] = x.shape;
  return ops.reshape(ops.pad(x, 2, 0, rest), [-1, heads!, count, size, width!]);
}

/** // [B, n, blocks, size, dh] → [B, n, S, dh] */
function joined(ops: Ops, x: Tensor, { length }: Blocks): Tensor {
  const [, heads, , , width] = x.shape;
  return ops.slice(ops.reshape(x, [ops.size(x, 0), heads!, -1, width!]), [0, 0, 0, 0], [-1, -1, length, -1]);
}

/**
 * A block's frame are the tokens of the block, and two halos that follow it, of the sequence with a
 * halo of zeros on each side.
 */
function framed(ops: Ops, x: Tensor, { count, size, halo, twoHalos, filled, restAndHalo }: Blocks): Tensor {
  const [, heads, , width] = x.shape;
  const padded = ops.pad(x, 2, halo, restAndHalo);
  const blocksFrom = (start: number | Tensor) => {
    const part = ops.slice(padded, [0, 0, start, 0], [-1, -1, filled, -1]);
    return ops.reshape(part, [-1, heads!, count, size, width!]);
  };
  const following = ops.slice(blocksFrom(twoHalos), [0, 0, 0, 0, 0], [-1, -1, -1, twoHalos, -1]);
  return ops.concat([blocksFrom(0), following], 3);
}

/** Transpose of {@link framed}: a token's gradient is the sum of those in its frames. */
function unframed(ops: Ops, x: Tensor, { size, halo, twoHalos, sizeWithoutHalos, length }: Blocks): Tensor {
  const [, heads, , , width] = x.shape;
  const batch = ops.size(x, 0);
  const whole = (part: Tensor) => ops.reshape(part, [batch, heads!, -1, width!]);
  const blocks = whole(ops.slice(x, [0, 0, 0, 0, 0], [-1, -1, -1, size, -1]));
  const following = ops.slice(x, [0, 0, 0, size, 0], [-1, -1, -1, twoHalos, -1]);
  const filled = whole(ops.pad(following, 3, 0, sizeWithoutHalos));
  const sum = ops.add(ops.pad(blocks, 2, 0, twoHalos), ops.pad(filled, 2, twoHalos, 0));
  return ops.slice(sum, [0, 0, halo, 0], [-1, -1, length, -1]);
}
