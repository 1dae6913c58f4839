import type { RowOfDistance } from '../model/operations';
import type { Ops, Tensor } from './ops';

/**
 * Rows of a table for the distances of each pair of a batch's places. // → int32 [Sq·S]
 *
 * @param limit longest sequence in tokens
 * @param queries Sq // [1]
 * @param keys S // [1]
 */
export function rowsOfPairs(ops: Ops, limit: number, rowOf: RowOfDistance, queries: Tensor, keys: Tensor): Tensor {
  const all = ops.integers(Array.from({ length: 2 * limit - 1 }, (_, i) => rowOf(i - limit + 1)));
  const places = ops.integers(Array.from({ length: limit }, (_, place) => place));
  const query = ops.add(ops.slice(places, [0], [queries]), ops.integers([limit - 1]));
  const difference = ops.sub(ops.reshape(query, [-1, 1]), ops.reshape(ops.slice(places, [0], [keys]), [1, -1]));
  return ops.gather(all, ops.reshape(difference, [-1]));
}

/**
 * Rows of a table for the distances that occur: that of places `count − 1` and 0 is the second, and
 * each next one is smaller by 1, down to `1 − others`. The first only fills up: see
 * `distance-scores.ts`. // → int32 [count + others]
 *
 * @param limit longest sequence in tokens
 * @param count // [1]
 * @param others // [1]
 */
export function rowsOfDistances(ops: Ops, limit: number, rowOf: RowOfDistance, count: Tensor, others: Tensor): Tensor {
  const all = ops.integers(Array.from({ length: 2 * limit + 1 }, (_, i) => rowOf(limit - i)));
  return ops.slice(all, [ops.sub(ops.integers([limit]), count)], [ops.add(count, others)]);
}
