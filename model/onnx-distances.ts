import type { OnnxGraph } from './onnx';
import type { RowOfDistance } from './operations';

/**
 * Parts of an ONNX graph that depend on the distances of tokens. Sizes are int64 values of shape
 * [1], known when the graph runs.
 */
export class OnnxDistances {
  /** @param limit longest sequence in tokens */
  constructor(
    private readonly graph: OnnxGraph,
    private readonly limit: number,
  ) {}

  /** Rows of a table for the distances of each pair of the first `size` places. // → int64 [size, size] */
  ofPairs(rowOf: RowOfDistance, size: string): string {
    const { graph, limit } = this;
    const all = graph.ints(Array.from({ length: 2 * limit - 1 }, (_, i) => rowOf(i - limit + 1)));
    const places = this.slice(graph.ints(Array.from({ length: limit }, (_, place) => place)), 0, graph.ints([0]), size);
    const query = graph.node('Unsqueeze', [graph.node('Add', [places, graph.ints([limit - 1])]), graph.ints([1])]);
    return graph.node('Gather', [all, graph.node('Sub', [query, places])]);
  }

  /**
   * Rows of a table for the distances that occur: that of places `count − 1` and 0 is the second,
   * and each next one is smaller by 1. The first only fills up: see {@link shift}.
   * // → int64 [count + others]
   */
  occurring(rowOf: RowOfDistance, count: string, others: string): string {
    const { graph, limit } = this;
    const all = graph.ints(Array.from({ length: 2 * limit + 1 }, (_, i) => rowOf(limit - i)));
    const [begin, end] = [
      graph.node('Sub', [graph.ints([limit]), count]),
      graph.node('Add', [graph.ints([limit]), others]),
    ];
    return this.slice(all, 0, begin, end);
  }

  /**
   * Takes from row i the numbers `count − i` … `count − i + others − 1`, as the trainer's `shift`
   * does. // [B, H, count, count + others] → [B, H, count, others]
   */
  shift(x: string, count: string, others: string): string {
    const { graph } = this;
    const ints = (...values: number[]) => graph.ints(values);
    const reshape = (value: string, shape: string[]) =>
      graph.node('Reshape', [value, graph.node('Concat', shape, { attributes: { axis: { int: 0 } } })]);
    const square = reshape(x, [ints(0, 0, -1), count]); // [B, H, count + others, count]
    const rest = this.slice(square, 2, ints(1), ints(END));
    const moved = reshape(rest, [ints(0, 0), count, ints(-1)]); // [B, H, count, count + others − 1]
    return this.slice(moved, 3, ints(0), others);
  }

  /** Size of an axis. // → [1] */
  size(x: string, axis: number): string {
    return this.graph.node('Shape', [x], { attributes: { start: { int: axis }, end: { int: axis + 1 } } });
  }

  private slice(x: string, axis: number, begin: string, end: string): string {
    return this.graph.node('Slice', [x, begin, end, this.graph.ints([axis])]);
  }
}

/** End of an axis, whatever its size. */
const END = 2 ** 31 - 1;
