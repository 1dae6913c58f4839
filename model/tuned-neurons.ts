import { architectureOf } from './architectures';
import type { Arithmetic, DenseLayer } from './arithmetic';
import type { ModelConfig } from './config';
import { blocksOf, givenProduct } from './given-weights';
import { OnnxGraph } from './onnx';
import { activate } from './onnx-activation';
import type { Range } from './operations';
import { branch, type TunedArithmetic } from './tuned-arithmetic';

/**
 * Inputs of a graph that tune neurons of one layer, of D deltas at once: r rows and columns, those
 * of the delta and those of the base, which are taken away.
 */
export interface NeuronInputs {
  /** Matrices of which a neuron owns rows, in the order of the forward pass. */
  rows: NeuronRows[];
  /** Matrix of which it owns a column. */
  columns: {
    module: string;
    /** Length of a column. */
    width: number;
    /** Name of the columns, float32 [D, r, width]. */
    weights: string;
  };
  /** Name of the flag whether any delta has neurons here. bool [1] */
  any: string;
}

/** Matrix of which each neuron of a layer owns one row. */
export interface NeuronRows {
  /** Module of the base that holds the matrix. */
  module: string;
  /** Output features of the module that the matrix has: all, or some of a module of several. */
  features: Range;
  /** Name of the dense layer with these features. */
  layer: string;
  /** Length of a row. */
  width: number;
  /** Name of the rows, float32, as {@link givenProduct} takes them. [D, P, r, width/P] */
  weights: string;
  /** Name of the biases, float32 [D, 1, 1, r]; absent if the module has none. */
  biases?: string;
}

/**
 * Float32 arithmetic of a layer, whose heads are tuned by another one, with a feed-forward of the
 * tuned neurons beside the base's own: a narrow one of r neurons for each delta, whose output is
 * added to the base's. Each tuned neuron is in it twice, as tuned and, with the opposite sign, as
 * in the base.
 *
 * The order of a sum's terms does not depend on the number of deltas, sequences or neurons.
 */
export class TunedNeurons implements Arithmetic {
  readonly inputs: NeuronInputs;
  readonly sets: string;
  readonly rows: Arithmetic['rows'];
  /** Input of each dense layer of which a neuron owns rows. */
  private readonly read = new Map<string, string>();

  /** Declares the inputs. */
  constructor(
    private readonly graph: OnnxGraph,
    private readonly heads: TunedArithmetic,
    private readonly config: ModelConfig,
    layer: number,
  ) {
    this.sets = heads.sets;
    this.rows = heads.rows;
    this.inputs = neuronInputs(graph, config, layer);
  }

  narrow = (x: string) => x;

  wide = (x: string) => x;

  dense(x: string, layer: DenseLayer): string {
    const base = this.heads.dense(x, layer); // [D·B, S, out]
    const { rows, columns, any } = this.inputs;
    if (rows.some((each) => each.layer === layer.module)) this.read.set(layer.module, x);
    if (layer.module !== columns.module) return base;
    const [tuned, frozen] = ['tuned', 'frozen'].map(
      (part) => new OnnxGraph(`${part} neurons of ${columns.module}`, { parent: this.graph }),
    );
    const product = tuned.node('MatMul', [this.activations(tuned), columns.weights]); // [D, B·S, width]
    const part = tuned.node('Reshape', [product, tuned.node('Shape', [base])]);
    return this.graph.node('If', [any], {
      attributes: {
        then_branch: branch(tuned, tuned.node('Add', [base, part])),
        else_branch: branch(frozen, base),
      },
    });
  }

  /** Computes layers of which no neuron owns rows. */
  denseTogether = (x: string, layers: readonly DenseLayer[]) => this.heads.denseTogether(x, layers);

  /** Numbers that the columns are multiplied by. // [D, B·S, r] */
  private activations(graph: OnnxGraph): string {
    const [first, ...gated] = this.inputs.rows.map(({ layer, width, weights, biases }) => {
      const blocks = blocksOf(width);
      const sizes = [this.sets, graph.ints([-1, blocks, width / blocks])];
      const shape = graph.node('Concat', sizes, { attributes: { axis: { int: 0 } } });
      const tokens = graph.node('Reshape', [this.read.get(layer)!, shape]);
      return givenProduct(graph, tokens, weights, blocks, biases);
    });
    const active = activate(graph, first, this.config.activation);
    return gated.reduce((product, factor) => graph.node('Mul', [product, factor]), active);
  }
}

function neuronInputs(graph: OnnxGraph, config: ModelConfig, layer: number): NeuronInputs {
  const { hiddenSize: width, intermediateSize } = config;
  const slices = architectureOf(config).neuronSlices(config, layer, 0);
  const moduleOf = (tensor: string) => tensor.replace(/\.(weight|bias)$/, '');
  const biased = new Set(slices.map(({ tensor }) => tensor).filter((tensor) => tensor.endsWith('.bias')));
  const matrices = slices.filter(({ tensor, axis }) => axis === 'rows' && !biased.has(tensor));
  const P = blocksOf(width);
  const r = `neurons ${layer}`;
  const rows = matrices.flatMap(({ tensor, ranges }) =>
    ranges.map(([first]): NeuronRows => {
      const module = moduleOf(tensor);
      const name = ranges.length === 1 ? module : `${module}.${first}`;
      const weights = graph.input(`${name}.neurons`, 'float32', [`D ${name}`, P, r, width / P]);
      const biases =
        biased.has(`${module}.bias`) && graph.input(`${name}.neuron_biases`, 'float32', [`D ${name}`, 1, 1, r]);
      const features: Range = [first, first + intermediateSize];
      return { module, features, layer: name, width, weights, ...(biases && { biases }) };
    }),
  );
  const module = moduleOf(slices.find(({ axis }) => axis === 'columns')!.tensor);
  const weights = graph.input(`${module}.neurons`, 'float32', [`D ${module}`, r, width]);
  return { rows, columns: { module, width, weights }, any: graph.input(`${module}.any_neuron`, 'bool', [1]) };
}
