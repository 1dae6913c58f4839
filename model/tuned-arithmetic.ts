import { type Arithmetic, type DenseLayer, float32Arithmetic } from './arithmetic';
import type { OnnxGraph } from './onnx';
import type { Range } from './operations';

/**
 * Inputs of a graph that tune one dense layer of D deltas at once: the tokens' axis holds the
 * sequences of the first delta, then those of the second, and so on.
 */
export interface TunedInputs {
  /** Module of the base that holds the layer. */
  module: string;
  /** Output features of the module that the layer has: all, or some of a module of several matrices. */
  features: Range;
  /** `rows`: output features have new weights. `columns`: input features have. */
  axis: 'rows' | 'columns';
  /** in of tuned rows, out of tuned columns: width of each tuned feature's weights. */
  width: number;
  /** Name of the weights, float32. [D, r, width] */
  weights: string;
  /** Name of the biases of tuned rows, float32; absent if the layer has none. [D, 1, r] */
  biases?: string;
  /** Name of the places of the r features among all; −1 for none. int64 [D, r] */
  places: string;
}

/** Axis by which each tuned module of a graph is tuned; others stay as they are. */
export type TunedAxes = ReadonlyMap<string, TunedInputs['axis']>;

/**
 * Float32 arithmetic whose dense layers take the weights of tuned features as inputs of the graph.
 * The base's own weights stay constants, one copy for all deltas.
 *
 * Tuned rows replace the base's outputs: each output is the same sum as in a merged model. Tuned
 * columns add the product with their difference from the base.
 *
 * @param declared receives the inputs of each tuned layer
 */
export function tunedArithmetic(
  graph: OnnxGraph,
  axes: TunedAxes,
  declared: (inputs: TunedInputs) => void,
): Arithmetic {
  const frozen = float32Arithmetic(graph);
  return {
    ...frozen,
    dense(x, layer) {
      const base = frozen.dense(x, layer); // [D·B, S, out]
      const inputs = declare(graph, layer, axes);
      if (inputs === undefined) return base;
      declared(inputs);
      const byDelta = (value: string, width: number) => graph.node('Reshape', [value, sizes(graph, inputs, width)]);
      const tokens = byDelta(x, layer.into); // [D, B·S, into]
      const outputs = byDelta(base, layer.out); // [D, B·S, out]
      const tuned =
        inputs.axis === 'rows'
          ? replaced(graph, inputs, layer, tokens, outputs)
          : added(graph, inputs, layer, tokens, outputs);
      return graph.node('Reshape', [tuned, graph.node('Shape', [base])]);
    },
  };
}

/** Declares a layer's inputs, if its module is tuned. */
function declare(
  graph: OnnxGraph,
  { module: name, into, out, bias }: DenseLayer,
  axes: TunedAxes,
): TunedInputs | undefined {
  // A layer with some of a module's features is named after the first of them.
  const [, module, first = 0] = axes.has(name) ? [name, name] : (/^(.*)\.(\d+)$/.exec(name) ?? [name, name]);
  const axis = axes.get(module);
  if (axis === undefined) return undefined;
  const width = axis === 'rows' ? into : out;
  const r = `r ${name}`;
  return {
    module,
    features: [Number(first), Number(first) + out],
    axis,
    width,
    weights: graph.input(`${name}.tuned`, 'float32', ['D', r, width]),
    places: graph.input(`${name}.places`, 'int64', ['D', r]),
    ...(axis === 'rows' && bias && { biases: graph.input(`${name}.tuned_bias`, 'float32', ['D', 1, r]) }),
  };
}

/** Shape [D, all tokens, width]. */
function sizes(graph: OnnxGraph, { weights }: TunedInputs, width: number): string {
  const attributes = { start: { int: 0 }, end: { int: 1 } };
  const deltas = graph.node('Shape', [weights], { attributes });
  return graph.node('Concat', [deltas, graph.ints([-1, width])], { attributes: { axis: { int: 0 } } });
}

/** 1 where a tuned feature has its place, else 0. // [D, r, size] */
function placing(graph: OnnxGraph, { places }: TunedInputs, size: number): string {
  const all = graph.constant(
    'int64',
    [size],
    BigInt64Array.from({ length: size }, (_, i) => BigInt(i)),
  );
  const hits = graph.node('Equal', [graph.node('Unsqueeze', [places, graph.ints([2])]), all]);
  return graph.cast(hits, 'float32');
}

/** Base's outputs, those of tuned rows replaced. */
function replaced(graph: OnnxGraph, inputs: TunedInputs, { out }: DenseLayer, tokens: string, outputs: string): string {
  const perm = { attributes: { perm: { ints: [0, 2, 1] } } };
  const product = graph.node('MatMul', [tokens, graph.node('Transpose', [inputs.weights], perm)]); // [D, B·S, r]
  const own = inputs.biases ? graph.node('Add', [product, inputs.biases]) : product;
  const placed = placing(graph, inputs, out); // [D, r, out]
  const attributes = { keepdims: { int: 1 } };
  const isTuned = graph.cast(graph.node('ReduceMax', [placed, graph.ints([1])], { attributes }), 'bool'); // [D, 1, out]
  return graph.node('Where', [isTuned, graph.node('MatMul', [own, placed]), outputs]);
}

/** Base's outputs plus the product with the tuned columns' differences. */
function added(graph: OnnxGraph, inputs: TunedInputs, { into }: DenseLayer, tokens: string, outputs: string): string {
  const perm = { attributes: { perm: { ints: [0, 2, 1] } } };
  const columns = graph.node('Transpose', [placing(graph, inputs, into)], perm); // [D, into, r]
  const picked = graph.node('MatMul', [tokens, columns]); // [D, B·S, r]
  return graph.node('Add', [outputs, graph.node('MatMul', [picked, inputs.weights])]);
}
