import type { OnnxGraph } from './onnx';

/**
 * Blocks of a sequence's tokens for local attention, so that it costs by the window and not by S².
 * A block has 2·reach tokens, and its keys are the block with `halo` = reach tokens on each side. A
 * sequence of up to 4·reach tokens is one block without a halo.
 */
export class OnnxBlocks {
  /** Number of blocks, tokens of each, and of a halo. // [1] each, int64 */
  private readonly count: string;
  private readonly size: string;
  private readonly halo: string;
  private readonly twoHalos: string;
  /** Padding behind the sequence that fills the last block, with a halo; S with that padding. // [1] */
  private readonly rest: string;
  private readonly filled: string;

  /**
   * @param reach largest distance of a key from its query
   * @param length S // [1], int64
   */
  constructor(
    private readonly graph: OnnxGraph,
    private readonly reach: number,
    private readonly length: string,
  ) {
    const isLong = graph.node('Greater', [length, graph.ints([4 * reach])]);
    const whenLong = (then: number, otherwise: string) => graph.node('Where', [isLong, graph.ints([then]), otherwise]);
    this.size = whenLong(2 * reach, length);
    this.halo = whenLong(reach, graph.ints([0]));
    this.twoHalos = whenLong(2 * reach, graph.ints([0]));
    const beforeLast = graph.node('Sub', [graph.node('Add', [length, this.size]), graph.ints([1])]);
    this.count = graph.node('Div', [beforeLast, this.size]);
    this.filled = graph.node('Mul', [this.count, this.size]);
    this.rest = graph.node('Add', [graph.node('Sub', [this.filled, length]), this.halo]);
  }

  /** Queries, by blocks. // [B, S, H, dh] → [B, blocks, size, H, dh] */
  queries(x: string, heads: number): string {
    const rest = this.graph.node('Sub', [this.rest, this.halo]);
    return this.cut(this.padded(x, this.graph.ints([0]), rest), heads);
  }

  /** Keys or values of each block. // [B, S, H, dh] → [B, blocks, size + 2·halo, H, dh] */
  keys(x: string, heads: number): string {
    const { graph, filled, twoHalos } = this;
    const padded = this.padded(x, this.halo, this.rest);
    const block = this.cut(this.slice(padded, 1, graph.ints([0]), filled), heads);
    const next = this.slice(padded, 1, twoHalos, graph.node('Add', [twoHalos, filled]));
    const following = this.slice(this.cut(next, heads), 2, graph.ints([0]), twoHalos);
    return graph.node('Concat', [block, following], { attributes: { axis: { int: 2 } } });
  }

  /** Inverse of {@link queries}. // [B, blocks, size, H, dh] → [B, S, H, dh] */
  joined(x: string, heads: number, headDim: number): string {
    const { graph } = this;
    const tokens = graph.node('Reshape', [x, graph.ints([0, -1, heads, headDim])]);
    return this.slice(tokens, 1, graph.ints([0]), this.length);
  }

  /**
   * True at real keys within their query's window. // [B, blocks, 1, size, size + 2·halo]
   *
   * @param mask 1 for a token, 0 for padding // [B, S], int64
   */
  allowed(mask: string): string {
    const { graph } = this;
    const frames = this.keys(graph.node('Unsqueeze', [mask, graph.ints([2, 3])]), 1);
    const real = graph.cast(graph.node('Reshape', [frames, graph.ints([0, 0, 1, 1, -1])]), 'bool');
    const places = (count: string) => range(graph, count);
    const keys = graph.node('Sub', [places(graph.node('Add', [this.size, this.twoHalos])), this.halo]); // [size + 2·halo]
    const queries = graph.node('Unsqueeze', [places(this.size), graph.ints([1])]); // [size, 1]
    return graph.node('And', [real, within(graph, graph.node('Sub', [keys, queries]), this.reach)]);
  }

  private padded(x: string, before: string, behind: string): string {
    const { graph } = this;
    const counts = graph.node('Concat', [before, behind], { attributes: { axis: { int: 0 } } });
    return graph.node('Pad', [x, counts, '', graph.ints([1])]);
  }

  /** // [B, blocks·size, H, dh] → [B, blocks, size, H, dh] */
  private cut(x: string, heads: number): string {
    const { graph } = this;
    const sizes = [graph.ints([0]), this.count, this.size, graph.ints([heads, -1])];
    return graph.node('Reshape', [x, graph.node('Concat', sizes, { attributes: { axis: { int: 0 } } })]);
  }

  private slice(x: string, axis: number, from: string, to: string): string {
    return this.graph.node('Slice', [x, from, to, this.graph.ints([axis])]);
  }
}

/** 0 … n − 1. // [1] → [n], int64 */
export function range(graph: OnnxGraph, n: string): string {
  const [from, step] = [0, 1].map((value) => graph.constant('int64', [], BigInt64Array.of(BigInt(value))));
  return graph.node('Range', [from, graph.node('Squeeze', [n]), step]);
}

/** True where a distance is at most `reach`. */
export const within = (graph: OnnxGraph, distance: string, reach: number): string =>
  graph.node('LessOrEqual', [graph.node('Abs', [distance]), graph.ints([reach])]);
