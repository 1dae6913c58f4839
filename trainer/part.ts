import type { Range } from '../model/operations';
import type { Ops, Tensor } from './ops';

/**
 * Part of a tensor: all of it, or ranges of one axis, ascending and disjoint. A gradient is
 * computed only for the part of a value that depends on trained numbers.
 */
export type Part = 'all' | { axis: number; ranges: readonly Range[] };

/** The part of the given ranges. */
export const partOf = (axis: number, ranges: readonly Range[]): Part => ({ axis, ranges: merged(ranges) });

/** Smallest part that contains all the given ones; undefined if there are none. */
export function union(parts: readonly (Part | undefined)[]): Part | undefined {
  const found = parts.filter((part) => part !== undefined);
  const [first] = found;
  if (first === undefined || first === 'all') return first;
  const ranges: Range[] = [];
  for (const part of found) {
    if (part === 'all' || part.axis !== first.axis) return 'all';
    ranges.push(...part.ranges);
  }
  return partOf(first.axis, ranges);
}

/** The same ranges on another axis, each index standing for `factor` of them. */
export const stretched = ({ ranges }: Exclude<Part, 'all'>, axis: number, factor: number): Part => ({
  axis,
  ranges: ranges.map(([from, to]): Range => [from * factor, to * factor]),
});

/** The part of a tensor; of one range a slice, of several their concatenation. */
export function take(ops: Ops, x: Tensor, part: Part): Tensor {
  if (part === 'all') return x;
  const { axis, ranges } = part;
  const pieces = ranges.map(([from, to]) =>
    ops.slice(
      x,
      x.shape.map((_, at) => (at === axis ? from : 0)),
      x.shape.map((_, at) => (at === axis ? to - from : -1)),
    ),
  );
  return ops.concat(pieces, axis);
}

/**
 * A part of a tensor that itself holds a part.
 *
 * @param held part that `x` holds
 * @param wanted part of the same whole, contained in `held`
 */
export function narrowed(ops: Ops, x: Tensor, held: Part, wanted: Part): Tensor {
  if (held === 'all' || wanted === 'all') return take(ops, x, wanted);
  if (String(held.ranges) === String(wanted.ranges)) return x;
  /** Held indices below an index. */
  const place = (index: number) =>
    held.ranges.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, index) - from), 0);
  return take(ops, x, {
    axis: wanted.axis,
    ranges: wanted.ranges.map(([from, to]): Range => [place(from), place(to)]),
  });
}

/** Ranges in order, neighbours joined. */
function merged(ranges: readonly Range[]): Range[] {
  const joined: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}
