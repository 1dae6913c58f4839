import type { ModelConfig, ModelTensor, Readout, TaskHeadKind } from './architecture';
import { architectureOf, askingTokens, queryTokens } from './architectures';
import { float32Arithmetic } from './arithmetic';
import { blocksOf, givenArithmetic } from './given-weights';
import type { GraphSource } from './graph-source';
import { OnnxGraph, type WeightsFile } from './onnx';
import { OnnxNetwork, type OnnxValue } from './onnx-network';
import { TunedArithmetic, type TunedAxes, type TunedInputs } from './tuned-arithmetic';
import { type NeuronInputs, TunedNeurons } from './tuned-neurons';

/**
 * Two graphs that answer for many deltas on one base: all layers below the last, and the last one
 * with the task heads. Between them goes the tokens' state, float32 [N, S, d]: a row is a sequence
 * of the batch, of one delta or of all that do not differ yet.
 */

/** Name of the tokens' state as an input, and as an output. */
export const STATE = { input: 'x', output: 'y' } as const;

/** Name of the logits as an output. */
export const LOGITS = 'logits';

/** Names of a layer's inputs that say which rows it has, int64. Layer L is the task head. */
export const rowInputs = (layer: number) => ({
  /** Rows of the state before the layer that it reads. [states·B] */
  from: `from ${layer}`,
  /** Sequence of the batch of each row of its result. [deltas·B] */
  sequences: `sequences ${layer}`,
  /** D: each delta has as many of these rows. [1] */
  deltas: `deltas ${layer}`,
  /** D, or 1 if the deltas share the rows that it reads. [1] */
  states: `states ${layer}`,
  /** Row that each row of its result continues, among those that it reads. [deltas·B] */
  own: `own ${layer}`,
});

/** Inputs of a layer's tuned parts. */
export interface LayerInputs {
  heads: readonly TunedInputs[];
  neurons: NeuronInputs;
}

/** Graph of some layers, whose heads' and neurons' rows and columns are inputs. */
export interface LayersGraph {
  model: Uint8Array;
  tuned: readonly LayerInputs[];
}

/**
 * Embeddings and all layers below the last. Inputs, beside those of the layers: `input_ids`,
 * `attention_mask` and, with segments, `token_type_ids`, int64 [B, S].
 */
export function lowerGraph(source: GraphSource, weights?: WeightsFile): LayersGraph {
  const { config } = source;
  const graph = new OnnxGraph('lower layers', { weights });
  const segments = config.typeVocabSize > 0;
  const net = OnnxNetwork.start(graph, source, float32Arithmetic(graph), { positions: 'computed', segments });
  const tuned: LayerInputs[] = [];
  let x = architectureOf(config).embed(net, config);
  for (let layer = 0; layer < config.layers - 1; layer++) {
    const { y, inputs } = tunedLayer(net, x, layer, 'every');
    tuned.push(inputs);
    x = y;
  }
  graph.output(STATE.output, net.wide(x), 'float32', ['N', 'S', config.hiddenSize]);
  return { model: graph.toModel(), tuned };
}

/**
 * The last layer, and the task heads of D deltas. Deltas may share the state, unless the task head
 * reads the last token of it. Inputs, beside those of the layer: the state, `attention_mask`, for
 * the last token `input_ids`, and the task heads' tensors, named as in the model: weights as
 * {@link givenProduct} takes them, [D, P, out, into/P], others [D, 1, n]. Output `logits`, float32
 * [D, T, C], for all tokens of a batch that a task head reads; it reads a single one twice.
 */
export function lastGraph(source: GraphSource, kind: TaskHeadKind, weights?: WeightsFile): LayersGraph {
  const { config } = source;
  const { layers, hiddenSize } = config;
  const { reads, tensors, logits } = architectureOf(config).taskHead(config, kind);
  // The number of logits is known when the graph runs; two stand for it here.
  const given = tensors(config, 2);
  const graph = new OnnxGraph('last layer', { weights, inputs: new Map(given.map(givenInput)) });
  const net = OnnxNetwork.start(graph, withoutValues(source, given), float32Arithmetic(graph), {}, given);
  const x = { name: graph.input(STATE.input, 'float32', ['N', 'S', hiddenSize]), width: hiddenSize };
  const { net: own, y, inputs } = tunedLayer(net, x, layers - 1, reads);
  const read = reads === 'mean' ? twice(graph, own.meanToken(y)) : y; // [N, S or 2, d]
  const { from, deltas } = rowInputs(layers);
  const rows = graph.node('Gather', [own.wide(read), graph.input(from, 'int64', ['rows read'])]);
  const sizes = [graph.input(deltas, 'int64', [1]), graph.ints([-1, hiddenSize])];
  const shape = graph.node('Concat', sizes, { attributes: { axis: { int: 0 } } });
  const head = net.with(givenArithmetic(graph));
  const found = logits(head, config, { name: graph.node('Reshape', [rows, shape]), width: hiddenSize });
  graph.output(LOGITS, head.wide(found), 'float32', ['D', 'T', 'C']);
  return { model: graph.toModel(), tuned: [inputs] };
}

/** Shape of a task head's tensor as an input. */
function givenInput({ name, shape: [, into] }: ModelTensor): [string, (number | string)[]] {
  const rows = `rows of ${name}`;
  return [name, into === undefined ? ['D', 1, rows] : ['D', blocksOf(into), rows, into / blocksOf(into)]];
}

/** Source without the values of some tensors, which it need not have. */
function withoutValues(source: GraphSource, without: readonly ModelTensor[]): GraphSource {
  const names = new Set(without.map(({ name }) => name));
  const tensor = (name: string) => (names.has(name) ? new Float32Array(0) : source.tensor(name));
  return { config: source.config, tensor };
}

/** One layer. @returns its result, and the network of that one's rows */
function tunedLayer(net: OnnxNetwork, x: OnnxValue, layer: number, reads: Readout) {
  const { graph, source } = net;
  const { config } = source;
  const architecture = architectureOf(config);
  const { from, sequences, deltas, states, own: ownRows } = rowInputs(layer);
  const layerRows = {
    deltas: graph.input(deltas, 'int64', [1]),
    states: graph.input(states, 'int64', [1]),
    own: graph.input(ownRows, 'int64', [`N ${layer}`]),
  };
  const ofHeads = new TunedArithmetic(graph, layerRows, tunedAxes(config, layer), config.headDim);
  const arithmetic = new TunedNeurons(graph, ofHeads, config, layer);
  const own = net.ofSequences(graph.input(sequences, 'int64', [`N ${layer}`]), arithmetic);
  const rows = graph.node('Gather', [net.wide(x), graph.input(from, 'int64', [`from ${layer}`])]);
  const read = { name: rows, width: x.width };
  const tokens = queryTokens(config, layer, reads);
  const asking = tokens === 'all' ? read : twice(graph, askingTokens(own, read, tokens));
  const heads = architecture.attend(own, config, layer, read, asking, tokens);
  const asked = { ...asking, name: ofHeads.own(asking.name) };
  const y = architecture.afterHeads(own, config, layer, asked, heads);
  return { net: own, y, inputs: { heads: ofHeads.inputs, neurons: arithmetic.inputs } };
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
