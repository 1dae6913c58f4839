import type { Ops, Tensor } from './ops';
import { narrowed, take } from './part';
import type { Tape } from './tape';

/** First token of each sequence. // [B·S, n] → [B, n] */
export function firstToken(tape: Tape, rows: Tensor, batch: Tensor): Tensor {
  const { ops } = tape;
  const width = rows.shape[1]!;
  const first = ops.slice(sequences(ops, rows, batch), [0, 0, 0], [-1, 1, -1]);
  return tape.record({
    output: ops.reshape(first, [-1, width]),
    inputs: [rows],
    reach: ([part]) => part,
    back: (gradient, part) => [(sum) => addToFirst(ops, sum ?? ops.scale(take(ops, rows, part), 0), gradient, batch)],
  });
}

/** Adds to the first token of each sequence. // [B·S, n], [B, n] → [B·S, n] */
function addToFirst(ops: Ops, rows: Tensor, first: Tensor, batch: Tensor): Tensor {
  const width = rows.shape[1]!;
  const whole = sequences(ops, rows, batch);
  const sum = ops.add(ops.slice(whole, [0, 0, 0], [-1, 1, -1]), ops.reshape(first, [-1, 1, width])); // [B, 1, n]
  const rest = ops.slice(whole, [0, 1, 0], [-1, -1, -1]); // [B, S−1, n]
  return ops.reshape(ops.concat([sum, rest], 1), [-1, width]);
}

/**
 * Mean of each sequence's real tokens. // [B·S, n] → [B, n]
 *
 * @param mask 0 at real tokens, negative at padding // [B, 1, 1, S]
 */
export function meanToken(tape: Tape, rows: Tensor, mask: Tensor): Tensor {
  const { ops } = tape;
  const batch = ops.size(mask, 0);
  const real = ops.reshape(marksOfReal(ops, mask), [batch, -1, 1]); // [B, S, 1]
  const shares = ops.div(real, ops.sum(real, [1], true)); // [B, S, 1]
  return tape.record({
    output: ops.sum(ops.mul(sequences(ops, rows, batch), shares), [1]),
    inputs: [rows],
    reach: ([part]) => part,
    back(gradient) {
      const width = gradient.shape[1]!;
      return [ops.reshape(ops.mul(ops.reshape(gradient, [-1, 1, width]), shares), [-1, width])];
    },
  });
}

/**
 * Last real token of each sequence. // [B·S, n] → [B, n]
 *
 * @param mask 0 at real tokens, negative at the padding on the right // [B, 1, 1, S]
 */
export function lastToken(tape: Tape, rows: Tensor, mask: Tensor): Tensor {
  const { ops } = tape;
  const batch = ops.size(mask, 0);
  const isLast = ops.reshape(marksOfLast(ops, mask), [batch, 1, -1]); // [B, 1, S]
  return tape.record({
    output: ops.reshape(ops.batchMatMul(isLast, sequences(ops, rows, batch)), [-1, rows.shape[1]!]),
    inputs: [rows],
    reach: ([part]) => part,
    back(gradient) {
      const width = gradient.shape[1]!;
      const apart = ops.reshape(gradient, [-1, 1, width]); // [B, 1, n]
      return [ops.reshape(ops.batchMatMul(isLast, apart, { a: true }), [-1, width])];
    },
  });
}

/** 1 at real tokens, 0 at padding. // [B, 1, 1, S] → [B, 1, 1, S] */
export const marksOfReal = (ops: Ops, mask: Tensor) => ops.add(ops.sign(mask), ops.scalar(1));

/** 1 at the last real token, else 0. // [B, 1, 1, S] → [B, 1, 1, S] */
function marksOfLast(ops: Ops, mask: Tensor): Tensor {
  const real = marksOfReal(ops, mask);
  const later = ops.slice(real, [0, 0, 0, 1], [-1, -1, -1, -1]);
  const none = ops.scale(ops.slice(real, [0, 0, 0, 0], [-1, -1, -1, 1]), 0);
  return ops.sub(real, ops.concat([later, none], 3));
}

/** Places of a sequence's tokens, 0 … S − 1. // [B, 1, 1, S] → [S, 1] */
export const allPlaces = (ops: Ops, mask: Tensor) => ops.reshape(ops.range(ops.size(mask, 3)), [-1, 1]);

/** Place of each sequence's last real token. // [B, 1, 1, S] → [B, 1, 1, 1] */
export const lastPlaces = (ops: Ops, mask: Tensor) =>
  ops.sub(ops.sum(marksOfReal(ops, mask), [3], true), ops.scalar(1));

const sequences = (ops: Ops, rows: Tensor, batch: Tensor) => ops.reshape(rows, [batch, -1, rows.shape[1]!]);

/**
 * Rows of a table. // [V, E], [N] → [N, E]
 *
 * @param numbers whole numbers
 * @param untrained row that has no gradient, as PyTorch's `padding_idx`
 */
export function tableRows(tape: Tape, table: Tensor, numbers: Tensor, untrained: number | undefined): Tensor {
  const { ops } = tape;
  return tape.record({
    output: ops.gather(table, ops.toInt(numbers)),
    inputs: [table],
    reach: ([part]) => (part !== 'all' && part?.axis === 0 ? 'all' : part),
    back(gradient, part, [wanted]) {
      const rows = untrained === undefined ? numbers : without(ops, numbers, untrained);
      const byRow = ops.sumByRow(gradient, ops.toInt(rows), table.shape[0] as number);
      return [wanted && narrowed(ops, byRow, part, wanted)];
    },
  });
}

/** Replaces one of the rows by −1, which belongs to none: `(r + 1)·sign((r − row)²) − 1`. */
function without(ops: Ops, rows: Tensor, row: number): Tensor {
  const other = ops.sign(ops.square(ops.sub(rows, ops.scalar(row))));
  return ops.sub(ops.mul(ops.add(rows, ops.scalar(1)), other), ops.scalar(1));
}
