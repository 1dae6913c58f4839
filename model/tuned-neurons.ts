import { architectureOf } from './architectures';
import type { ModelConfig } from './config';
import { OnnxGraph } from './onnx';
import type { Range } from './operations';
import type { TunedArithmetic } from './tuned-arithmetic';

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
  /** Length of a row. */
  width: number;
  /** Name of the rows, float32 [D, width, r]. */
  weights: string;
  /** Name of the biases, float32 [D, 1, r]; absent if the module has none. */
  biases?: string;
}

/** Values of tuned neurons, written to the graph in which they are read. // [D, B·S, r] */
export type Beside = (graph: OnnxGraph) => string;

/** Axes of a layer's output. onnxruntime takes axes of one name for equal. */
const SHAPE = ['D·B', 'Sq', 'n'];

/**
 * Feed-forward of the tuned neurons beside the base's own: a narrow one of r neurons for each
 * delta, whose output is added to the base's. Each tuned neuron is in it twice, as tuned and, with
 * the opposite sign, as in the base.
 */
export class TunedNeurons {
  readonly inputs: NeuronInputs;

  /** Declares the inputs. */
  constructor(
    private readonly graph: OnnxGraph,
    private readonly arithmetic: TunedArithmetic,
    config: ModelConfig,
    layer: number,
  ) {
    const slices = architectureOf(config).neuronSlices(config, layer, 0);
    const { hiddenSize: width } = config;
    const moduleOf = (tensor: string) => tensor.replace(/\.(weight|bias)$/, '');
    const matrices = slices.filter(({ tensor, axis }) => axis === 'rows' && tensor.endsWith('.weight'));
    const rows = matrices.flatMap(({ tensor, ranges }) =>
      ranges.map(([first]): NeuronRows => {
        const module = moduleOf(tensor);
        const name = `${module}.${first}`;
        const hasBias = slices.some((slice) => slice.tensor === `${module}.bias`);
        return {
          ...{ module, features: [first, first + config.intermediateSize], width },
          weights: graph.input(`${name}.neurons`, 'float32', ['D', width, 'r']),
          ...(hasBias && { biases: graph.input(`${name}.neuron_biases`, 'float32', ['D', 1, 'r']) }),
        };
      }),
    );
    const module = moduleOf(slices.find(({ axis }) => axis === 'columns')!.tensor);
    const columns = { module, width, weights: graph.input(`${module}.neurons`, 'float32', ['D', 'r', width]) };
    this.inputs = { rows, columns, any: graph.input(`${module}.any_neuron`, 'bool', [1]) };
  }

  /**
   * Tuned neurons' part of a module's output; undefined if it has none.
   *
   * @param x input of the module // [D·B, S, width]
   * @param first first of the module's features that are computed
   */
  rows(x: string, module: string, first: number): Beside | undefined {
    const rows = this.inputs.rows.find((each) => each.module === module && each.features[0] === first);
    if (!rows) return undefined;
    return (graph) => {
      const product = this.arithmetic.product(graph, x, rows.weights, rows.width);
      return rows.biases ? graph.node('Add', [product, rows.biases]) : product;
    };
  }

  /** Adds the tuned neurons' part to an output of the base. // [D·B, S, width] */
  added(base: string, beside: Beside): string {
    const { columns, any } = this.inputs;
    const tuned = new OnnxGraph(`${columns.module} tuned`, { parent: this.graph });
    const frozen = new OnnxGraph(`${columns.module} frozen`, { parent: this.graph });
    const product = tuned.node('MatMul', [beside(tuned), columns.weights]); // [D, B·S, width]
    const part = tuned.node('Reshape', [product, tuned.node('Shape', [base])]);
    tuned.output(`${tuned.name} output`, tuned.node('Add', [base, part]), 'float32', SHAPE);
    frozen.output(`${frozen.name} output`, frozen.node('Identity', [base]), 'float32', SHAPE);
    return this.graph.node('If', [any], {
      attributes: { then_branch: { graph: tuned }, else_branch: { graph: frozen } },
    });
  }
}
