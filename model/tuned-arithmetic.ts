import { type Arithmetic, type DenseLayer, float32Arithmetic } from './arithmetic';
import type { OnnxGraph } from './onnx';
import type { Range } from './operations';

/** Inputs of a graph that tune one dense layer of D deltas at once. */
export interface TunedInputs {
  /** Module of the base that holds the layer. */
  module: string;
  /** Output features of the module that the layer has: all, or some of a module of several matrices. */
  features: Range;
  /** `rows`: output features have new weights. `columns`: input features have. */
  axis: 'rows' | 'columns';
  /** Number of features along the axis. */
  size: number;
  /** Length of each tuned feature's weights. */
  width: number;
  /** Name of the weights, float32: rows [D, width, r], columns [D, r, width]. */
  weights: string;
  /** Name of the biases of tuned rows, float32; absent if the layer has none. [D, 1, r] */
  biases?: string;
  /** Name of the places of the r features along the axis; `size` for none. int64 [D, r] */
  places: string;
  /** Name of the flags of tuned rows; absent for columns. bool [D, 1, size] */
  tuned?: string;
}

/** Axis by which each tuned module of a graph is tuned; others stay as they are. */
export type TunedAxes = ReadonlyMap<string, TunedInputs['axis']>;

/** Names of values by which the numbers of sequences are known when a graph runs. */
export interface SequenceCounts {
  /** Tokens' state. [B, S, d] if the deltas share it, else [D·B, S, d] */
  state: string;
  /** `attention_mask`. [D·B, S] */
  mask: string;
}

/** Most terms that onnxruntime sums in one block, whatever the other sizes of a product are. */
const BLOCK = 128;

/**
 * Float32 arithmetic whose dense layers take the weights of tuned features as inputs of the graph.
 * The base's own weights stay constants, one copy for all deltas, and are multiplied once where the
 * deltas share their input.
 *
 * Tuned rows replace the base's outputs: each output is the same sum as in a merged model, up to
 * the order of its terms. Tuned columns add the product with their difference from the base. The
 * order of the terms does not depend on the number of deltas, sequences or tuned features, so
 * neither do the bits.
 */
export class TunedArithmetic implements Arithmetic {
  /** Inputs of each tuned layer so far. */
  readonly inputs: TunedInputs[] = [];
  /** False if distances are the input of a tuned layer: one delta at a time can run. */
  together = true;
  private readonly frozen: Arithmetic;
  private readonly sizes: { deltas?: string; shares?: string } = {};

  constructor(
    private readonly graph: OnnxGraph,
    private readonly axes: TunedAxes,
    private readonly counts: SequenceCounts,
  ) {
    this.frozen = float32Arithmetic(graph);
  }

  narrow = (x: string) => x;

  wide = (x: string) => x;

  rows: Arithmetic['rows'] = (table, pick) => this.frozen.rows(table, pick);

  dense(x: string, layer: DenseLayer): string {
    const base = this.frozen.dense(x, layer); // [B, S, out] or [D·B, S, out]
    const inputs = this.declare(layer);
    if (inputs === undefined) return base;
    const { graph } = this;
    const outputs = this.byDelta(base, layer.out); // [1 or D, B·S, out]
    const all =
      inputs.axis === 'rows' ? this.replaced(inputs, layer, x, outputs) : this.added(inputs, layer, x, outputs); // [D, B·S, out]
    const tokens = graph.node('Concat', [graph.ints([-1]), this.inner(base)], axis(0));
    return graph.node('Reshape', [all, tokens]);
  }

  /**
   * Repeats what the deltas share for each of them. From here on they share nothing.
   * // [B or D·B, Sq, n] → [D·B, Sq, n]
   */
  own(x: string): string {
    const { graph } = this;
    const rows = graph.node('Reshape', [x, graph.node('Concat', [this.shares(), graph.ints([-1])], axis(0))]);
    const repeated = graph.node('Concat', [this.deltas(), graph.ints([1])], axis(0));
    const shape = graph.node('Concat', [graph.ints([-1]), this.inner(x)], axis(0));
    this.sizes.shares = this.deltas();
    return graph.node('Reshape', [graph.node('Expand', [rows, repeated]), shape]);
  }

  /** Declares a layer's inputs, if its module is tuned. */
  private declare({ module: name, into, out, bias, distances }: DenseLayer): TunedInputs | undefined {
    // A layer with some of a module's features is named after the first of them.
    const [, module, first = 0] = this.axes.has(name) ? [name, name] : (/^(.*)\.(\d+)$/.exec(name) ?? [name, name]);
    const along = this.axes.get(module);
    if (along === undefined) return undefined;
    if (distances) this.together = false;
    const features: Range = [Number(first), Number(first) + out];
    const known = this.inputs.find((each) => each.module === module && each.features[0] === features[0]);
    if (known) return known;
    const { graph } = this;
    const r = `r ${name}`;
    const isRows = along === 'rows';
    const [size, width] = isRows ? [out, into] : [into, out];
    const inputs: TunedInputs = {
      module,
      features,
      axis: along,
      size,
      width,
      weights: graph.input(`${name}.tuned`, 'float32', isRows ? ['D', width, r] : ['D', r, width]),
      places: graph.input(`${name}.places`, 'int64', ['D', r]),
      ...(isRows && bias && { biases: graph.input(`${name}.tuned_bias`, 'float32', ['D', 1, r]) }),
      ...(isRows && { tuned: graph.input(`${name}.is_tuned`, 'bool', ['D', 1, size]) }),
    };
    this.inputs.push(inputs);
    return inputs;
  }

  /** Base's outputs, those of tuned rows replaced. */
  private replaced(inputs: TunedInputs, { into }: DenseLayer, x: string, outputs: string): string {
    const { graph } = this;
    const product = this.inBlocks(x, inputs.weights, into); // [D, B·S, r]
    const own = inputs.biases ? graph.node('Add', [product, inputs.biases]) : product;
    return graph.node('Where', [inputs.tuned!, graph.node('MatMul', [own, this.placing(inputs)]), outputs]);
  }

  /** Base's outputs plus the product with the tuned columns' differences. */
  private added(inputs: TunedInputs, { into }: DenseLayer, x: string, outputs: string): string {
    const { graph } = this;
    const columns = graph.node('Transpose', [this.placing(inputs)], perm(0, 2, 1)); // [D, into, r]
    const picked = graph.node('MatMul', [this.byDelta(x, into), columns]); // [D, B·S, r]
    return graph.node('Add', [outputs, graph.node('MatMul', [picked, inputs.weights])]);
  }

  /**
   * Product of tokens and tuned rows, as a sum of products of at most {@link BLOCK} terms: longer
   * sums are in blocks whose size depends on r.
   */
  private inBlocks(x: string, weights: string, into: number): string {
    const { graph } = this;
    let parts = Math.ceil(into / BLOCK);
    while (into % parts !== 0) parts++;
    if (parts === 1) return graph.node('MatMul', [this.byDelta(x, into), weights]);
    const split = (count: string, ...sizes: number[]) => graph.node('Concat', [count, graph.ints(sizes)], axis(0));
    const tokens = graph.node('Reshape', [x, split(this.shares(), -1, parts, into / parts)]);
    const rows = graph.node('Reshape', [weights, split(this.deltas(), parts, into / parts, -1)]); // [D, P, into/P, r]
    const products = graph.node('MatMul', [graph.node('Transpose', [tokens], perm(0, 2, 1, 3)), rows]); // [D, P, B·S, r]
    const attributes = { axis: { int: 1 }, num_outputs: { int: parts } };
    const sum = graph.node('Sum', graph.nodeOf(parts, 'Split', [products], { attributes }));
    return graph.node('Squeeze', [sum, graph.ints([1])]);
  }

  /** 1 where a tuned feature has its place, else 0. // [D, r, size] */
  private placing({ places, size }: TunedInputs): string {
    const { graph } = this;
    const identity = new Float32Array((size + 1) * size);
    for (let i = 0; i < size; i++) identity[i * size + i] = 1;
    return graph.node('Gather', [graph.constant('float32', [size + 1, size], identity, `places of ${size}`), places]);
  }

  /** // [B or D·B, S, n] → [1 or D, B·S, n] */
  private byDelta(x: string, width: number): string {
    const shape = this.graph.node('Concat', [this.shares(), this.graph.ints([-1, width])], axis(0));
    return this.graph.node('Reshape', [x, shape]);
  }

  /** D. // [1] */
  private deltas(): string {
    this.sizes.deltas ??= this.first(this.inputs[0].weights);
    return this.sizes.deltas;
  }

  /** 1 as long as the deltas share the state, else D. // [1] */
  private shares(): string {
    const { graph, counts } = this;
    const make = () =>
      graph.node('Div', [graph.node('Mul', [this.first(counts.state), this.deltas()]), this.first(counts.mask)]);
    this.sizes.shares ??= make();
    return this.sizes.shares;
  }

  /** Size of the first axis. // [1] */
  private first(x: string): string {
    return this.graph.node('Shape', [x], { attributes: { start: { int: 0 }, end: { int: 1 } } });
  }

  /** Sizes of all axes but the first. */
  private inner(x: string): string {
    return this.graph.node('Shape', [x], { attributes: { start: { int: 1 } } });
  }
}

const axis = (of: number) => ({ attributes: { axis: { int: of } } });

const perm = (...axes: number[]) => ({ attributes: { perm: { ints: axes } } });
