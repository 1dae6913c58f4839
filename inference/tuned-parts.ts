import type { Slice } from '../delta/slices';
import type { Range } from '../model/operations';
import type { TunedInputs } from '../model/tuned-arithmetic';

/** Gives memory of this many numbers, with any values. */
export type NewNumbers = (count: number) => Float32Array;

/** Tuned features of a module that a dense layer of it has. */
export interface TunedPart {
  /** First and last + 1 in the slice. */
  from: number;
  to: number;
  /** Places along the layer's axis, ascending. */
  places: Int32Array;
}

/** Part of a slice that a dense layer has; undefined for none. */
export function partOf(
  { indices }: Slice,
  { axis, features }: { axis: TunedInputs['axis']; features: Range },
): TunedPart | undefined {
  const [first, end] = axis === 'rows' ? features : [0, Number.POSITIVE_INFINITY];
  const from = indices.findIndex((index) => index >= first && index < end);
  if (from < 0) return undefined;
  const to = indices.findLastIndex((index) => index < end) + 1;
  return { from, to, places: indices.slice(from, to).map((index) => index - first) };
}

/**
 * Cuts the rows of some matrices in blocks: the first block of all rows, then the second.
 * // [rows, width] each → [P, all rows, width/P]
 */
export function inBlocks(
  matrices: readonly Float32Array[],
  rows: number,
  blocks: number,
  numbers: NewNumbers,
): Float32Array {
  const cut = numbers(matrices.reduce((sum, { length }) => sum + length, 0));
  const size = cut.length / (rows * blocks);
  let row = 0;
  for (const values of matrices) {
    for (let from = 0; from < values.length; row++) {
      for (let block = 0; block < blocks; block++) {
        const to = (block * rows + row) * size;
        cut.set(values.subarray(from, from + size), to);
        from += size;
      }
    }
  }
  return cut;
}
