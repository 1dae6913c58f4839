import { type Arithmetic, type DenseLayer, float32Arithmetic } from './arithmetic';
import { OnnxGraph } from './onnx';
import type { Range } from './operations';

/** Inputs of a graph that tune heads of one dense layer, of D deltas at once. */
export interface TunedInputs {
  /** Module of the base that holds the layer. */
  module: string;
  /**
   * Output features of the module that the layer has: all, or some of a module of several matrices.
   */
  features: Range;
  /** `rows`: a head owns output features. `columns`: it owns input features. */
  axis: 'rows' | 'columns';
  /** Number of heads along the axis. */
  heads: number;
  /** Length of each feature's weights. */
  width: number;
  /** Name of the weights of h heads, float32: rows [D, width, h·dh], columns [D, h·dh, width]. */
  weights: string;
  /** Name of the biases of rows, float32; absent if the layer has none. [D, 1, h·dh] */
  biases?: string;
  /** Name of the places of the heads among all; `heads` for none. int64 [D, h] */
  places: string;
  /**
   * Name of the flags of the heads whose rows are tuned; absent for columns. bool [D, 1, heads, 1]
   */
  tuned?: string;
  /** Name of the flag whether any delta has heads here. bool [1] */
  any: string;
}

/** Axis by which each tuned module of a graph is tuned; others stay as they are. */
export type TunedAxes = ReadonlyMap<string, TunedInputs['axis']>;

/** Inputs of a graph with tuned layers that say how its values are laid out, int64 [1]. */
export const COUNTS = {
  /** D. */
  deltas: 'deltas',
  /** 1 if the deltas share the graph's state, else D. */
  states: 'states',
} as const;

/** Values that a tuned layer reads. */
interface LayerInput {
  /** [B, S, into] or [D·B, S, into] */
  x: string;
  /** [1 or D, B·S, into] */
  tokens: string;
  /** Outputs of the base. [1 or D, B·S, out] */
  outputs: string;
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
  private readonly deltas: string;
  /** Number of states that values are laid out for so far: that of the graph's, then D. */
  private states: string;
  private readonly shapes = new Map<string, string>();

  constructor(
    private readonly graph: OnnxGraph,
    private readonly axes: TunedAxes,
    private readonly headDim: number,
  ) {
    this.frozen = float32Arithmetic(graph);
    this.deltas = graph.input(COUNTS.deltas, 'int64', [1]);
    this.states = graph.input(COUNTS.states, 'int64', [1]);
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
    const input = { x, tokens: this.byDelta(x, layer.into), outputs };
    const tuned = new OnnxGraph(`${layer.module} tuned`, { parent: graph });
    const frozen = new OnnxGraph(`${layer.module} frozen`, { parent: graph });
    const repeated = this.joined(this.deltas, 1, 1);
    const all = graph.node('If', [inputs.any], {
      attributes: {
        then_branch: branch(
          tuned,
          inputs.axis === 'rows' ? this.replaced(tuned, inputs, layer, input) : this.added(tuned, inputs, input),
        ),
        else_branch: branch(frozen, frozen.node('Expand', [outputs, repeated])),
      },
    }); // [D, B·S, out]
    return graph.node('Reshape', [all, this.sequences(x, base, layer.out)]);
  }

  /**
   * Repeats what the deltas share for each of them. From here on they share nothing.
   * // [B or D·B, Sq, n] → [D·B, Sq, n]
   */
  own(x: string): string {
    const { graph } = this;
    const rows = graph.node('Reshape', [x, this.joined(this.states, -1)]);
    const repeated = graph.node('Expand', [rows, this.joined(this.deltas, 1)]);
    this.states = this.deltas;
    return graph.node('Reshape', [repeated, this.sequences(x, x)]);
  }

  /**
   * Product of each delta's tokens with its own rows, once the deltas share nothing.
   *
   * @param x // [D·B, S, into]
   * @param weights // [D, into, r]
   * @returns name of the product, of at most {@link BLOCK} terms at once // [D, B·S, r]
   */
  product(graph: OnnxGraph, x: string, weights: string, into: number): string {
    const tokens = graph.node('Reshape', [x, this.joined(this.deltas, -1, into)]);
    return this.inBlocks(graph, { x, tokens }, weights, into);
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
    const [h, r] = [`h ${name}`, `r ${name}`];
    const isRows = along === 'rows';
    const [size, width] = isRows ? [out, into] : [into, out];
    const heads = size / this.headDim;
    const inputs: TunedInputs = {
      module,
      features,
      axis: along,
      heads,
      width,
      weights: graph.input(`${name}.tuned`, 'float32', isRows ? ['D', width, r] : ['D', r, width]),
      places: graph.input(`${name}.places`, 'int64', ['D', h]),
      ...(isRows && bias && { biases: graph.input(`${name}.tuned_bias`, 'float32', ['D', 1, r]) }),
      ...(isRows && { tuned: graph.input(`${name}.is_tuned`, 'bool', ['D', 1, heads, 1]) }),
      any: graph.input(`${name}.any`, 'bool', [1]),
    };
    this.inputs.push(inputs);
    return inputs;
  }

  /** Base's outputs, those of tuned rows replaced. */
  private replaced(graph: OnnxGraph, inputs: TunedInputs, { into, out }: DenseLayer, input: LayerInput): string {
    const product = this.inBlocks(graph, input, inputs.weights, into); // [D, B·S, h·dh]
    const own = inputs.biases ? graph.node('Add', [product, inputs.biases]) : product;
    const places = graph.node('Transpose', [this.placing(graph, inputs)], perm(0, 1, 3, 2)); // [D, 1, H, h]
    const placed = graph.node('MatMul', [places, this.byHead(graph, own)]); // [D, B·S, H, dh]
    const replaced = graph.node('Where', [inputs.tuned!, placed, this.byHead(graph, input.outputs)]);
    return graph.node('Reshape', [replaced, graph.ints([0, 0, out])]);
  }

  /** Base's outputs plus the product with the tuned columns' differences. */
  private added(graph: OnnxGraph, inputs: TunedInputs, { tokens, outputs }: LayerInput): string {
    const picked = graph.node('MatMul', [this.placing(graph, inputs), this.byHead(graph, tokens)]); // [D, B·S, h, dh]
    const weights = graph.node('Shape', [inputs.weights], { attributes: { start: { int: 1 }, end: { int: 2 } } });
    const shape = graph.node('Concat', [graph.ints([0, 0]), weights], axis(0));
    const joined = graph.node('Reshape', [picked, shape]); // [D, B·S, h·dh]
    return graph.node('Add', [outputs, graph.node('MatMul', [joined, inputs.weights])]);
  }

  /** // [1 or D, B·S, n·dh] → [1 or D, B·S, n, dh] */
  private byHead = (graph: OnnxGraph, x: string) => graph.node('Reshape', [x, graph.ints([0, 0, -1, this.headDim])]);

  /** 1 where a head has its place, else 0. // [D, 1, h, H] */
  private placing(graph: OnnxGraph, { places, heads }: TunedInputs): string {
    const identity = new Float32Array((heads + 1) * heads);
    for (let i = 0; i < heads; i++) identity[i * heads + i] = 1;
    const rows = this.graph.constant('float32', [heads + 1, heads], identity, `places of ${heads} heads`);
    return graph.node('Gather', [rows, graph.node('Unsqueeze', [places, graph.ints([1])])]);
  }

  /**
   * Product of tokens and tuned rows, as a sum of products of at most {@link BLOCK} terms: longer
   * sums are in blocks whose size depends on r.
   */
  private inBlocks(
    graph: OnnxGraph,
    { x, tokens }: Omit<LayerInput, 'outputs'>,
    weights: string,
    into: number,
  ): string {
    let parts = Math.ceil(into / BLOCK);
    while (into % parts !== 0) parts++;
    if (parts === 1) return graph.node('MatMul', [tokens, weights]);
    const cut = graph.node('Reshape', [x, this.joined(this.states, -1, parts, into / parts)]);
    const rows = graph.node('Reshape', [weights, this.joined(this.deltas, parts, into / parts, -1)]); // [D, P, into/P, r]
    const products = graph.node('MatMul', [graph.node('Transpose', [cut], perm(0, 2, 1, 3)), rows]); // [D, P, B·S, r]
    const attributes = { axis: { int: 1 }, num_outputs: { int: parts } };
    const sum = graph.node('Sum', graph.nodeOf(parts, 'Split', [products], { attributes }));
    return graph.node('Squeeze', [sum, graph.ints([1])]);
  }

  /** // [B or D·B, S, n] → [1 or D, B·S, n] */
  private byDelta = (x: string, width: number) => this.graph.node('Reshape', [x, this.joined(this.states, -1, width)]);

  /** Shape [count, ...sizes]. */
  private joined(count: string, ...sizes: number[]): string {
    return this.once(`${count} ${sizes}`, () => this.graph.node('Concat', [count, this.graph.ints(sizes)], axis(0)));
  }

  /** Shape [−1, S, n] of a result, by the shape of what it has the rows of. */
  private sequences(of: string, like: string, width?: number): string {
    const { graph } = this;
    return this.once(`shape of ${of} ${width}`, () => {
      const inner = graph.node('Shape', [like], { attributes: { start: { int: 1 } } });
      return graph.node('Concat', [graph.ints([-1]), inner], axis(0));
    });
  }

  private once(key: string, make: () => string): string {
    const made = this.shapes.get(key) ?? make();
    this.shapes.set(key, made);
    return made;
  }
}

/** Value of a subgraph as its output. */
function branch(graph: OnnxGraph, value: string): { graph: OnnxGraph } {
  graph.output(`${graph.name} output`, value, 'float32', ['D', 'B·S', 'n']);
  return { graph };
}

const axis = (of: number) => ({ attributes: { axis: { int: of } } });

const perm = (...axes: number[]) => ({ attributes: { perm: { ints: axes } } });
