import { concatenated } from '../foundation/concatenated';
import { type Arithmetic, type DenseLayer, float32Arithmetic } from './arithmetic';
import { blocksOf, givenProduct } from './given-weights';
import { OnnxGraph } from './onnx';
import type { Range } from './operations';

/** Matrix of the base whose heads are tuned. */
export interface TunedModule {
  module: string;
  /** Output features of the module: all, or some of a module of several matrices. */
  features: Range;
  /** Number of heads along the axis. */
  heads: number;
}

/**
 * Inputs of a graph that tune heads of one dense layer, or of several that are computed together,
 * of D deltas at once.
 */
export interface TunedInputs {
  /** Matrices in the order of the outputs; one for columns. */
  modules: readonly TunedModule[];
  /** `rows`: a head owns output features. `columns`: it owns input features. */
  axis: 'rows' | 'columns';
  /** Number of heads along the axis, of all modules. */
  heads: number;
  /** Length of each feature's weights. */
  width: number;
  /**
   * Name of the weights of h heads, float32: rows as {@link givenProduct} takes them, [D, P, h·dh,
   * width/P]; columns [D, h·dh, width].
   */
  weights: string;
  /** Name of the biases of rows, float32; absent if the layer has none. [D, 1, 1, h·dh] */
  biases?: string;
  /**
   * Name of the places of the h heads among all: 1 where a head has its place, else 0. float32 rows
   * [D, 1, heads, h], columns [D, 1, h, heads]
   */
  places: string;
  /**
   * Name of the flags of the heads whose rows are tuned; absent for columns. bool [D, 1, heads, 1]
   */
  tuned?: string;
  /**
   * Name of the flag whether the deltas differ here: any of them has heads, or they share the
   * layer's input but not its result. bool [1]
   */
  any: string;
}

/** Axis by which each tuned module of a graph is tuned; others stay as they are. */
export type TunedAxes = ReadonlyMap<string, TunedInputs['axis']>;

/** Names of int64 values that say which rows a tuned layer has. */
export interface TunedRows {
  /** D. [1] */
  deltas: string;
  /** 1 if the deltas share the rows that the layer reads, else D. [1] */
  states: string;
  /** Row that each row of the result continues, among those that the layer reads. [D·B] */
  own: string;
}

/** Values of a tuned layer. */
interface LayerValues {
  /** Its input. [B, S, into] or [D·B, S, into] */
  x: string;
  /** Outputs of the base. [B, S, out] or [D·B, S, out] */
  base: string;
  /** Number of states of both: 1 or D. */
  states: string;
}

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
  private readonly frozen: Arithmetic;
  /** D. */
  readonly sets: string;
  /** Number of states that values are laid out for so far: that of the layer's input, then D. */
  private states: string;

  constructor(
    private readonly graph: OnnxGraph,
    private readonly layerRows: TunedRows,
    private readonly axes: TunedAxes,
    private readonly headDim: number,
  ) {
    this.frozen = float32Arithmetic(graph);
    this.sets = layerRows.deltas;
    this.states = layerRows.states;
  }

  narrow = (x: string) => x;

  wide = (x: string) => x;

  rows: Arithmetic['rows'] = (table, pick) => this.frozen.rows(table, pick);

  dense = (x: string, layer: DenseLayer): string => this.tuned(x, layer, [layer]);

  /** As one product: each output is the same sum as by itself. */
  denseTogether(x: string, layers: readonly DenseLayer[]): string[] {
    const alike = ({ bias, ...layer }: DenseLayer) => this.axisOf(layer).axis === 'rows' && !bias === !layers[0].bias;
    if (layers.length === 1 || !layers.every(alike)) return layers.map((layer) => this.dense(x, layer));
    const sizes = layers.map(({ out }) => out);
    const biases = layers.flatMap(({ bias }) => bias ?? []);
    const all: DenseLayer = {
      module: layers.map(({ module }) => module).join(' '),
      into: layers[0].into,
      out: sizes.reduce((a, b) => a + b),
      weight: concatenated(layers.map(({ weight }) => weight)),
      ...(biases.length > 0 && { bias: concatenated(biases) }),
    };
    const found = this.tuned(x, all, layers);
    return this.graph.nodeOf(layers.length, 'Split', [found, this.graph.ints(sizes)], axis(-1));
  }

  /** Output of a dense layer, which consists of some. */
  private tuned(x: string, layer: DenseLayer, parts: readonly DenseLayer[]): string {
    const { graph } = this;
    const base = this.frozen.dense(x, layer); // [B, S, out] or [D·B, S, out]
    const ofSets = (on: OnnxGraph) => on.node('Expand', [base, joined(on, this.sets, 1, 1)]); // of distances
    const inputs = this.declare(layer, parts);
    if (inputs === undefined) return layer.distances ? ofSets(graph) : base;
    const [tuned, frozen] = ['tuned', 'frozen'].map(
      (part) => new OnnxGraph(`${part} ${layer.module} of ${x}`, { parent: graph }),
    );
    const values = { x, base, states: layer.distances ? graph.ints([1]) : this.states };
    const found = inputs.axis === 'rows' ? this.replaced(tuned, inputs, values) : this.added(tuned, inputs, values);
    const shape = layer.distances ? tuned.ints([0, 0, layer.out]) : sequences(tuned, base);
    return graph.node('If', [inputs.any], {
      attributes: {
        then_branch: branch(tuned, tuned.node('Reshape', [found, shape])),
        else_branch: branch(frozen, layer.distances ? ofSets(frozen) : base),
      },
    });
  }

  /**
   * Repeats what the deltas share for each of them. From here on they share nothing.
   * // [B or D·B, Sq, n] → [D·B, Sq, n]
   */
  own(x: string): string {
    this.states = this.sets;
    return this.graph.node('Gather', [x, this.layerRows.own]);
  }

  /** Declares a layer's inputs, if its modules are tuned. */
  private declare(
    { module: name, into, out, bias }: DenseLayer,
    parts: readonly DenseLayer[],
  ): TunedInputs | undefined {
    const [first, ...others] = parts.map((part) => this.axisOf(part));
    if (first.axis === undefined) return undefined;
    const weights = `${name}.tuned`;
    const known = this.inputs.find((each) => each.weights === weights);
    if (known) return known;
    const { graph, headDim } = this;
    const isRows = first.axis === 'rows';
    const [size, width] = isRows ? [out, into] : [into, out];
    const modules = [first, ...others].map(({ module, features }): TunedModule => {
      return { module, features, heads: (isRows ? features[1] - features[0] : size) / headDim };
    });
    const [D, h, r] = [`D ${name}`, `h ${name}`, `r ${name}`];
    const heads = size / headDim;
    const blocks = blocksOf(width);
    const inputs: TunedInputs = {
      modules,
      axis: first.axis,
      heads,
      width,
      weights: graph.input(weights, 'float32', isRows ? [D, blocks, r, width / blocks] : [D, r, width]),
      places: graph.input(`${name}.places`, 'float32', isRows ? [D, 1, heads, h] : [D, 1, h, heads]),
      ...(isRows && bias && { biases: graph.input(`${name}.tuned_bias`, 'float32', [D, 1, 1, r]) }),
      ...(isRows && { tuned: graph.input(`${name}.is_tuned`, 'bool', [D, 1, heads, 1]) }),
      any: graph.input(`${name}.any`, 'bool', [1]),
    };
    this.inputs.push(inputs);
    return inputs;
  }

  /** Module of a layer with some of its features, and its axis. */
  private axisOf({ module: name, out }: Pick<DenseLayer, 'module' | 'out'>) {
    // A layer with some of a module's features is named after the first of them.
    const [, module, first = 0] = this.axes.has(name) ? [name, name] : (/^(.*)\.(\d+)$/.exec(name) ?? [name, name]);
    const features: Range = [Number(first), Number(first) + out];
    return { axis: this.axes.get(module), module, features };
  }

  /** Base's outputs, those of tuned rows replaced. // [D, B·S, H, dh] */
  private replaced(
    graph: OnnxGraph,
    { weights, biases, places, tuned, heads, width }: TunedInputs,
    { x, base, states }: LayerValues,
  ): string {
    const blocks = blocksOf(width);
    const cut = graph.node('Reshape', [x, joined(graph, states, -1, blocks, width / blocks)]);
    const product = givenProduct(graph, cut, weights, blocks, biases); // [D, B·S, h·dh]
    const own = graph.node('Reshape', [product, graph.ints([0, 0, -1, this.headDim])]);
    const placed = graph.node('MatMul', [places, own]); // [D, B·S, H, dh]
    const all = graph.node('Reshape', [base, joined(graph, states, -1, heads, this.headDim)]);
    return graph.node('Where', [tuned!, placed, all]);
  }

  /** Base's outputs plus the product with the tuned columns' differences. // [D, B·S, out] */
  private added(
    graph: OnnxGraph,
    { weights, places, heads, width }: TunedInputs,
    { x, base, states }: LayerValues,
  ): string {
    const all = graph.node('Reshape', [x, joined(graph, states, -1, heads, this.headDim)]);
    const picked = graph.node('MatMul', [places, all]); // [D, B·S, h, dh]
    const tokens = graph.node('Reshape', [picked, graph.ints([0, 0, -1])]); // [D, B·S, h·dh]
    const outputs = graph.node('Reshape', [base, joined(graph, states, -1, width)]);
    return graph.node('Add', [outputs, graph.node('MatMul', [tokens, weights])]);
  }
}

/** Shape [count, ...sizes]. */
const joined = (graph: OnnxGraph, count: string, ...sizes: number[]) =>
  graph.node('Concat', [count, graph.ints(sizes)], axis(0));

/** Shape [−1, S, n] of a result, by a value with as many tokens and features. */
function sequences(graph: OnnxGraph, like: string): string {
  const inner = graph.node('Shape', [like], { attributes: { start: { int: 1 } } });
  return graph.node('Concat', [graph.ints([-1]), inner], axis(0));
}

/**
 * Value of a subgraph as its output. Sizes of the same name must be equal in the whole graph, so
 * each has its own.
 */
export function branch(graph: OnnxGraph, value: string): { graph: OnnxGraph } {
  const sizes = ['N', 'Sq', 'n'].map((size) => `${size} ${graph.name}`);
  graph.output(`${graph.name} output`, value, 'float32', sizes);
  return { graph };
}

const axis = (of: number) => ({ attributes: { axis: { int: of } } });
