import type { Tensor } from './ops';
import { narrowed } from './part';
import type { Tape } from './tape';

/** Layout of {@link addDistanceBias}. */
export interface BiasLayout {
  /** Row of each pair of places. // int32 [Sq·S] */
  rows: Tensor;
  /** Column of each head. */
  columns: readonly number[];
  /** Sq. // [1] */
  queries: Tensor;
}

/** Adds a head's number for each pair of places. // [B, H, Sq, S], [R, H] → [B, H, Sq, S] */
export function addDistanceBias(
  tape: Tape,
  scores: Tensor,
  table: Tensor,
  { rows, columns, queries }: BiasLayout,
): Tensor {
  const { ops } = tape;
  const heads = columns.length;
  const byHead = ops.gather(ops.transpose(ops.gather(table, rows), [1, 0]), ops.integers(columns)); // [H, Sq·S]
  return tape.record({
    output: ops.add(scores, ops.reshape(byHead, [1, heads, queries, -1])),
    inputs: [scores, table],
    reach: ([ofScores, ofTable]) => (ofTable ? 'all' : ofScores),
    back(gradient, part, [ofScores, ofTable]) {
      return [ofScores && narrowed(ops, gradient, part, ofScores), ofTable && byTable(gradient)];
    },
  });

  function byTable(gradient: Tensor): Tensor {
    const places = columns.map((_, column) => columns.indexOf(column));
    const flat = ops.reshape(ops.sum(gradient, [0]), [heads, -1]); // [H, Sq·S]
    const byPair = ops.transpose(ops.gather(flat, ops.integers(places)), [1, 0]); // [Sq·S, H]
    return ops.sumByRow(byPair, rows, table.shape[0]!);
  }
}
