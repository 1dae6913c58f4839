import type { ModelConfig, Readout, TaskHeadKind } from './architecture';
import { architectureOf, askingTokens, queryTokens } from './architectures';
import { float32Arithmetic } from './arithmetic';
import type { GraphSource } from './graph-source';
import { OnnxGraph, type WeightsFile } from './onnx';
import { OnnxNetwork, type OnnxValue } from './onnx-network';
import { ServedNetwork } from './served-network';
import { TunedArithmetic, type TunedAxes, type TunedInputs } from './tuned-arithmetic';
import { type NeuronInputs, TunedNeurons } from './tuned-neurons';

/**
 * Graphs that answer for many deltas on one base: the embeddings, each layer, and the task head.
 * Between them goes the tokens' state, float32 [D·B, S, d]: B sequences for each of D deltas.
 */

/** Name of the tokens' state as an input, and as an output. */
export const STATE = { input: 'x', output: 'y' } as const;

/** Inputs `input_ids`, `attention_mask` and, with segments, `token_type_ids`, int64 [B, S]. */
export function embeddingGraph(source: GraphSource, weights?: WeightsFile): Uint8Array {
  const { config } = source;
  const graph = new OnnxGraph('embeddings', { weights });
  const segments = config.typeVocabSize > 0;
  const net = OnnxNetwork.start(graph, source, float32Arithmetic(graph), { positions: 'computed', segments });
  const x = architectureOf(config).embed(net, config);
  graph.output(STATE.output, net.wide(x), 'float32', ['B', 'S', config.hiddenSize]);
  return graph.toModel();
}

/** Inputs of a layer's graph beside the state and `attention_mask`. */
export interface LayerInputs {
  heads: readonly TunedInputs[];
  neurons: NeuronInputs;
}

/** Graph of a layer, and its inputs. */
export interface LayerGraph {
  model: Uint8Array;
  inputs: LayerInputs;
  /** False if it runs one delta at a time. */
  together: boolean;
}

/**
 * One layer, whose heads' and neurons' rows and columns are inputs. Its deltas may share the state,
 * unless the task head reads the last token of it: then the state is [D·B, S, d].
 *
 * @param reads tokens that the task head reads; the last layer gives these alone, a single one
 *   twice
 */
export function layerGraph(source: GraphSource, layer: number, reads: Readout, weights?: WeightsFile): LayerGraph {
  const { config } = source;
  const architecture = architectureOf(config);
  const graph = new OnnxGraph(`layer ${layer}`, { weights });
  const state = graph.input(STATE.input, 'float32', ['N', 'S', config.hiddenSize]);
  const arithmetic = new TunedArithmetic(graph, tunedAxes(config, layer), config.headDim);
  const neurons = new TunedNeurons(graph, arithmetic, config, layer);
  const net = ServedNetwork.of(graph, source, arithmetic, neurons);
  const x = { name: state, width: config.hiddenSize };
  const tokens = queryTokens(config, layer, reads);
  const asking = tokens === 'all' ? x : twice(graph, askingTokens(net, x, tokens));
  const heads = architecture.attend(net, config, layer, x, asking, tokens);
  const own = { ...asking, name: arithmetic.own(asking.name) };
  const after = architecture.afterHeads(net, config, layer, own, heads);
  const y = layer === config.layers - 1 && reads === 'mean' ? twice(graph, net.meanToken(after)) : after;
  graph.output(STATE.output, net.wide(y), 'float32', ['D·B', 'Sq', config.hiddenSize]);
  const { inputs: tunedHeads, together } = arithmetic;
  return { model: graph.toModel(), inputs: { heads: tunedHeads, neurons: neurons.inputs }, together };
}

/**
 * Repeats the one token of each sequence: a product of a single row takes another kernel in
 * onnxruntime than one of several, with other bits. // [N, 1, n] → [N, 2, n]
 */
const twice = (graph: OnnxGraph, { name, ...x }: OnnxValue): OnnxValue => ({
  ...x,
  name: graph.node('Concat', [name, name], { attributes: { axis: { int: 1 } } }),
});

/** Axis by which a head owns parts of each module of a layer. */
function tunedAxes(config: ModelConfig, layer: number): TunedAxes {
  const slices = architectureOf(config).headSlices(config, layer, 0);
  return new Map(slices.map(({ tensor, axis }) => [tensor.replace(/\.(weight|bias)$/, ''), axis]));
}

/**
 * Task head, whose tensors are inputs, named as in the model; weights of dense layers are
 * transposed. Output `logits`, float32 [B, Sq, C].
 */
export function taskHeadGraph(source: GraphSource, kind: TaskHeadKind): Uint8Array {
  const { config } = source;
  const taskHead = architectureOf(config).taskHead(config, kind);
  // The number of logits is known when the graph runs; two stand for it here.
  const tensors = taskHead.tensors(config, 2);
  const names = new Set(tensors.map(({ name }) => name));
  const graph = new OnnxGraph('task head', { inputs: names });
  const zeros = new Map(tensors.map(({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))]));
  const shapesOnly: GraphSource = { config, tensor: (name) => zeros.get(name) ?? source.tensor(name) };
  const net = OnnxNetwork.start(graph, shapesOnly, float32Arithmetic(graph), {}, tensors);
  const x = { name: graph.input(STATE.input, 'float32', ['N', 'Sq', config.hiddenSize]), width: config.hiddenSize };
  graph.output('logits', net.wide(taskHead.logits(net, config, x)), 'float32', ['N', 'Sq', 'C']);
  return graph.toModel();
}
