import type { OnnxGraph } from './onnx';
import type { QueryTokens } from './operations';

/** What places are computed from. */
export interface PlaceSource {
  /** S. // [1], int64 */
  length(): string;
  /** Token ids. // [B, S], int64 */
  ids(): string;
  padTokenId: number;
}

/**
 * Places of tokens in their sequences as values of an ONNX graph, float32, each computed once. No
 * node is a cast to float32: onnxconverter_common's float16 converter breaks those.
 */
export class OnnxPlaces {
  private readonly made = new Map<string, string>();

  constructor(
    private readonly graph: OnnxGraph,
    private readonly source: PlaceSource,
  ) {}

  /** Places of a sequence's tokens, 0 … S − 1. // [S] */
  all = () =>
    this.once('all', () => {
      const { graph } = this;
      const ones = graph.node('Expand', [graph.scalar(1), this.source.length()]);
      const axis = graph.constant('int64', [], BigInt64Array.of(0n));
      return graph.node('CumSum', [ones, axis], { attributes: { exclusive: { int: 1 } } });
    });

  /**
   * Place of the rightmost token whose id is not the padding token's, as transformers finds it; 0
   * if there is none. // [B, 1]
   */
  last = () =>
    this.once('last', () => {
      const { graph, source } = this;
      const isPad = graph.node('Equal', [source.ids(), graph.ints([source.padTokenId])]);
      const counted = graph.node('Where', [isPad, graph.scalar(0), this.all()]); // [B, S]
      return graph.node('ReduceMax', [counted, graph.ints([1])]);
    });

  /** Places of the tokens that have queries. // [S, 1], of last tokens [B, 1, 1, 1] */
  private queries(tokens: QueryTokens): string {
    return this.once(`queries ${tokens}`, () => {
      if (tokens === 'first') return this.graph.scalar(0);
      const axes = this.graph.ints(tokens === 'last' ? [2, 3] : [1]);
      return this.graph.node('Unsqueeze', [tokens === 'last' ? this.last() : this.all(), axes]);
    });
  }

  /** True for keys after a query's own token. // [S, S], of last tokens [B, 1, 1, S] */
  isFuture = (tokens: QueryTokens) =>
    this.once(`future ${tokens}`, () => this.graph.node('Greater', [this.all(), this.queries(tokens)]));

  /**
   * Cosines and sines of angles. Those of last tokens are picked from all: computed by themselves,
   * their bits would depend on the number of sequences.
   * // [S, 1, dh/2] each; of last tokens [B, 1, 1, dh/2]
   */
  turn(frequencies: readonly number[], tokens: QueryTokens): [cosine: string, sine: string] {
    const { graph } = this;
    const angles = this.once(`angles ${frequencies}`, () => {
      const one = graph.constant('float32', [frequencies.length], Float32Array.from(frequencies));
      return graph.node('Mul', [graph.node('Unsqueeze', [this.queries('all'), graph.ints([1])]), one]);
    });
    const of = (op: 'Cos' | 'Sin') => this.once(`${op} ${frequencies}`, () => graph.node(op, [angles])); // [S, 1, dh/2]
    if (tokens !== 'last') return [of('Cos'), of('Sin')];
    const picked = (op: 'Cos' | 'Sin') =>
      this.once(
        `last ${op} ${frequencies}`,
        () => graph.node('Gather', [of(op), graph.cast(this.last(), 'int64')]), // [B, 1, 1, dh/2]
      );
    return [picked('Cos'), picked('Sin')];
  }

  private once(key: string, make: () => string): string {
    const made = this.made.get(key) ?? make();
    this.made.set(key, made);
    return made;
  }
}
