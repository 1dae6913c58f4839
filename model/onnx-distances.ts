import type { OnnxGraph } from './onnx';
import type { RowOfDistance } from './operations';

/** Meaning of a product of tokens with rows of distances. */
interface DistanceProducts {
  rowOf: RowOfDistance;
  /** Side of the tokens in the scores. */
  side: 'query' | 'key';
  heads: number;
  /** Applies the factor of a product and widens it to float32. */
  wide(product: string): string;
  /** Number of sets of rows, if each is of as many sequences of the tokens. // int64 [1] */
  sets?: string;
}

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

  /** Rows of a table for the distances of all pairs of the first places. // → int64 [size, size] */
  ofPairs(rowOf: RowOfDistance, size: string): string {
    const { graph, limit } = this;
    const all = graph.ints(Array.from({ length: 2 * limit - 1 }, (_, i) => rowOf(i - limit + 1)));
    const places = this.slice(graph.ints(Array.from({ length: limit }, (_, place) => place)), 0, graph.ints([0]), size);
    const query = graph.node('Unsqueeze', [graph.node('Add', [places, graph.ints([limit - 1])]), graph.ints([1])]);
    return graph.node('Gather', [all, graph.node('Sub', [query, places])]);
  }

  /**
   * Products of tokens with the rows of their distances, laid out as the scores. // → [B, H, Sq, S]
   *
   * @param scores // [B, H, Sq, S]
   * @param tokens queries or keys // [B, H, count, dh]
   * @param rows // [R, H·dh]; of D sets [D, R, H·dh]
   */
  scores(scores: string, tokens: string, rows: string, { rowOf, side, heads, wide, sets }: DistanceProducts): string {
    const { graph } = this;
    const turned = (x: string, perm: number[]) =>
      graph.node('Transpose', [x], { attributes: { perm: { ints: perm } } });
    const byKey = side === 'key';
    const [queries, keys] = [2, 3].map((axis) => this.size(scores, axis));
    const [count, others] = byKey ? [keys, queries] : [queries, keys];
    // A key's distances are those of the queries, with the other sign.
    const at = this.occurring(byKey ? (distance) => rowOf(-distance) : rowOf, count, others);
    const perDistance = graph.node('Gather', [rows, at], { attributes: { axis: { int: sets ? 1 : 0 } } });
    const split = graph.node('Reshape', [perDistance, graph.ints(sets ? [0, 0, heads, -1] : [0, heads, -1])]);
    const product = sets
      ? this.bySet(sets, tokens, turned(split, [0, 2, 3, 1]))
      : graph.node('MatMul', [tokens, turned(split, [1, 2, 0])]); // [B, H, count, count + others]
    const inPlace = this.shift(wide(product), count, others); // [B, H, count, others]
    return byKey ? turned(inPlace, [0, 1, 3, 2]) : inPlace;
  }

  /**
   * Products of the sequences of each set with its rows.
   * // [D·B, H, count, dh] · [D, H, dh, n] → [D·B, H, count, n]
   */
  private bySet(sets: string, tokens: string, rows: string): string {
    const { graph } = this;
    const shaped = (x: string, leading: string[], from: number) => {
      const rest = graph.node('Shape', [x], { attributes: { start: { int: from } } });
      const shape = graph.node('Concat', [...leading, rest], { attributes: { axis: { int: 0 } } });
      return graph.node('Reshape', [x, shape]);
    };
    const bySet = shaped(tokens, [sets, graph.ints([-1])], 1); // [D, B, H, count, dh]
    const product = graph.node('MatMul', [bySet, graph.node('Unsqueeze', [rows, graph.ints([1])])]);
    return shaped(product, [graph.ints([-1])], 2);
  }

  /**
   * Rows of a table for the distances that occur: that of places `count − 1` and 0 is the second,
   * and each next one is smaller by 1. The first only fills up: see {@link shift}.
   * // → int64 [count + others]
   */
  private occurring(rowOf: RowOfDistance, count: string, others: string): string {
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
  private shift(x: string, count: string, others: string): string {
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
