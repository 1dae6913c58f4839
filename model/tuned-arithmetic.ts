import { type Arithmetic, type DenseLayer, float32Arithmetic } from './arithmetic';
import { blocksOf, givenProduct } from './given-weights';
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
  /**
   * Name of the weights of h heads, float32: rows as {@link givenProduct} takes them, [D, P, h·dh,
   * width/P]; columns [D, h·dh, width].
   */
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

/** Numbers by which the values of a tuned layer are laid out: names of int64 values of shape [1]. */
export interface TunedCounts {
  /** D. */
  deltas: string;
  /** 1 if the deltas share the layer's input, else D. */
  states: string;
}

/** Values that a tuned layer reads. */
interface LayerInput {
  /** [1 or D, B·S, into] */
  tokens: string;
  /** Outputs of the base. [1 or D, B·S, out] */
  outputs: string;
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
  private readonly shapes = new Map<string, string>();

  constructor(
    private readonly graph: OnnxGraph,
    counts: TunedCounts,
    private readonly axes: TunedAxes,
    private readonly headDim: number,
  ) {
    this.frozen = float32Arithmetic(graph);
    this.sets = counts.deltas;
    this.states = counts.states;
  }

  narrow = (x: string) => x;

  wide = (x: string) => x;

  rows: Arithmetic['rows'] = (table, pick) => this.frozen.rows(table, pick);

  dense(x: string, layer: DenseLayer): string {
    const base = this.frozen.dense(x, layer); // [B, S, out] or [D·B, S, out]
    const inputs = this.declare(layer);
    const { graph } = this;
    const states = layer.distances ? graph.ints([1]) : this.states;
    const byDelta = (value: string, width: number) => graph.node('Reshape', [value, this.joined(states, -1, width)]);
    const repeated = this.joined(this.sets, 1, 1);
    if (inputs === undefined) return layer.distances ? graph.node('Expand', [base, repeated]) : base;
    const outputs = byDelta(base, layer.out); // [1 or D, B·S, out]
    const input = { tokens: byDelta(x, layer.into), outputs };
    const tuned = new OnnxGraph(`${layer.module} tuned`, { parent: graph });
    const frozen = new OnnxGraph(`${layer.module} frozen`, { parent: graph });
    const all = graph.node('If', [inputs.any], {
      attributes: {
        then_branch: branch(
          tuned,
          inputs.axis === 'rows' ? this.replaced(tuned, inputs, layer, input) : this.added(tuned, inputs, input),
        ),
        else_branch: branch(frozen, frozen.node('Expand', [outputs, repeated])),
      },
    }); // [D, B·S, out]
    return layer.distances ? all : graph.node('Reshape', [all, this.sequences(x, base, layer.out)]);
  }

  /**
   * Repeats what the deltas share for each of them. From here on they share nothing.
   * // [B or D·B, Sq, n] → [D·B, Sq, n]
   */
  own(x: string): string {
    const { graph } = this;
    const rows = graph.node('Reshape', [x, this.joined(this.states, -1)]);
    const repeated = graph.node('Expand', [rows, this.joined(this.sets, 1)]);
    this.states = this.sets;
    return graph.node('Reshape', [repeated, this.sequences(x, x)]);
  }

  /** Declares a layer's inputs, if its module is tuned. */
  private declare({ module: name, into, out, bias }: DenseLayer): TunedInputs | undefined {
    // A layer with some of a module's features is named after the first of them.
    const [, module, first = 0] = this.axes.has(name) ? [name, name] : (/^(.*)\.(\d+)$/.exec(name) ?? [name, name]);
    const along = this.axes.get(module);
    if (along === undefined) return undefined;
    const features: Range = [Number(first), Number(first) + out];
    const known = this.inputs.find((each) => each.module === module && each.features[0] === features[0]);
    if (known) return known;
    const { graph } = this;
    const [h, r] = [`h ${name}`, `r ${name}`];
    const isRows = along === 'rows';
    const [size, width] = isRows ? [out, into] : [into, out];
    const heads = size / this.headDim;
    const blocks = blocksOf(width);
    const inputs: TunedInputs = {
      module,
      features,
      axis: along,
      heads,
      width,
      weights: graph.input(`${name}.tuned`, 'float32', isRows ? ['D', blocks, r, width / blocks] : ['D', r, width]),
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
    const product = givenProduct(graph, input.tokens, inputs.weights, into); // [D, B·S, h·dh]
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
