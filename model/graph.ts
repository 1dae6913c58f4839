import type { ModelTensor, TaskHeadKind } from './architecture';
import { architectureOf, runLayer, runLayers } from './architectures';
import { type Arithmetic, float16Arithmetic, float32Arithmetic, q8Arithmetic } from './arithmetic';
import type { GraphSource } from './graph-source';
import { OnnxGraph, type WeightsFile } from './onnx';
import type { OnnxDtype } from './onnx-dtype';
import type { OnnxInputs } from './onnx-inputs';
import { OnnxNetwork, type OnnxValue } from './onnx-network';

/** Data that the analysis fetches of each layer's heads. */
export type HeadOutputs = 'gram' | 'context';

/** Name of a `gram` model's boolean scalar input: true for OOᵀ [S, S], false for OᵀO [dh, dh]. */
export const TOKEN_SIDE = 'token_side';

/** Names of one layer's outputs. */
export const headOutputs = (layer: number) => ({
  /** float64 [B, H, m, m], m = dh or S as `token_side` says. */
  gram: `gram_${layer}`,
  /** float64 [B, H, dh], sum over the real tokens. */
  tokenSum: `token_sum_${layer}`,
  /** float32 [B, S, H, dh], zero where padded. */
  context: `context_${layer}`,
});

const ARITHMETICS: Record<OnnxDtype, (graph: OnnxGraph) => Arithmetic> = {
  fp32: float32Arithmetic,
  fp16: float16Arithmetic,
  q8: q8Arithmetic,
};

/**
 * The analysis's graph (docs/method.md), packed: what is done to each token by itself is done to
 * real tokens alone. It ends at the last layer's heads, without the rest of that layer. With `gram`
 * each layer gives the Gram matrix of the smaller side and the token sum, both in float64; with
 * `context` the head outputs.
 *
 * @throws HifiError when a tensor is missing or not finite, or the weights take 2 GB or more.
 */
export function analysisModel(source: GraphSource, outputs: HeadOutputs, weights?: WeightsFile): Uint8Array {
  const { config } = source;
  const architecture = architectureOf(config);
  const net = startNetwork(source, { packed: true }, { weights });
  const { graph } = net;
  if (outputs === 'gram') graph.input(TOKEN_SIDE, 'bool', []);
  const tokenMask = graph.node('Unsqueeze', [graph.cast(net.mask, 'float32'), graph.ints([2, 3])]); // [B, S, 1, 1]
  let x = architecture.embed(net, config);
  for (let layer = 0; layer < config.layers; layer++) {
    const heads = architecture.attend(net, config, layer, x, x, 'all');
    const masked = graph.node('Mul', [heads.name, tokenMask]); // [B, S, H, dh]
    const names = headOutputs(layer);
    if (outputs === 'context') {
      graph.output(names.context, masked, 'float32', ['B', 'S', config.heads, config.headDim]);
    } else {
      gramOutputs(net, masked, names);
    }
    if (layer < config.layers - 1) x = architecture.afterHeads(net, config, layer, x, heads);
  }
  return graph.toModel();
}

/** The whole encoder; outputs `hidden_0` (the embeddings) … `hidden_L`, float32 [B, S, d]. */
export function hiddenStatesModel(source: GraphSource): Uint8Array {
  const { config } = source;
  const net = startNetwork(source);
  const output = (layer: number, x: OnnxValue) =>
    net.graph.output(`hidden_${layer}`, net.wide(x), 'float32', ['B', 'S', config.hiddenSize]);
  let x = architectureOf(config).embed(net, config);
  output(0, x);
  for (let layer = 0; layer < config.layers; layer++) {
    x = runLayer(net, config, layer, x);
    output(layer + 1, x);
  }
  return net.graph.toModel();
}

/** Name of the output of a mean-pooled model. */
export const EMBEDDING = 'embedding';

/**
 * The whole encoder, and the mean of its last hidden states over the real tokens: output
 * `embedding`, float32 [B, d] (Reimers & Gurevych 2019, "mean pooling").
 *
 * @param weights takes the weights, which must else take less than 2 GB
 * @throws HifiError when a tensor is missing or not finite, or the weights take 2 GB or more.
 */
export function meanPooledModel(source: GraphSource, weights?: WeightsFile): Uint8Array {
  const { config } = source;
  const net = startNetwork(source, {}, { weights });
  const { graph } = net;
  let x = architectureOf(config).embed(net, config);
  for (let layer = 0; layer < config.layers; layer++) x = runLayer(net, config, layer, x);
  const mean = graph.node('Squeeze', [net.meanToken(x).name, graph.ints([1])]); // [B, d]
  graph.output(EMBEDDING, mean, 'float32', ['B', config.hiddenSize]);
  return graph.toModel();
}

/** Task head of a classifier. */
export interface ClassifierEnd {
  /** What the task head has logits for: sequences, or each token. Default: sequences. */
  kind?: TaskHeadKind;
  /** C, logits per sequence or token. */
  outputs: number;
  /** True if `token_type_ids` is an input; otherwise all tokens are of segment 0. */
  segments: boolean;
  /** Arithmetic of the encoder; float32 when absent. */
  type?: OnnxDtype;
}

/**
 * A classifier with its task head: output `logits`, float32 [B, C], or [B, S, C] of tokens.
 * Positions are computed in the graph, so that its inputs are a tokenizer's outputs. The task head
 * is always float32: it is small, and its rounding would directly change the logits.
 *
 * @param weights takes the weights, which must else take less than 2 GB
 * @throws HifiError when a tensor is missing or not finite, or the weights take 2 GB or more.
 */
export function classifierModel(
  source: GraphSource,
  { kind = 'sequence', outputs, segments, type }: ClassifierEnd,
  weights?: WeightsFile,
): Uint8Array {
  const { config } = source;
  const architecture = architectureOf(config);
  const taskHead = architecture.taskHead(config, kind);
  const tensors = taskHead.tensors(config, outputs);
  const net = startNetwork(source, { positions: 'computed', segments }, { type, weights, taskHead: tensors });
  const { graph } = net;
  const last = runLayers(net, config, taskHead.reads, architecture.embed(net, config), 0, config.layers); // [B, Sq, d]
  const perToken = taskHead.reads === 'every';
  const read = perToken ? net.wide(last) : graph.node('Squeeze', [net.wide(last), graph.ints([1])]); // [B, d]
  const head = net.with(float32Arithmetic(graph));
  const logits = taskHead.logits(head, config, { name: read, width: config.hiddenSize });
  graph.output('logits', head.wide(logits), 'float32', perToken ? ['B', 'S', outputs] : ['B', outputs]);
  return graph.toModel();
}

/** Number type, destination of the weights, and tensors of the task head. */
interface NetworkOptions {
  type?: OnnxDtype;
  weights?: WeightsFile;
  taskHead?: readonly ModelTensor[];
}

function startNetwork(
  source: GraphSource,
  inputs: OnnxInputs = {},
  { type = 'fp32', weights, taskHead }: NetworkOptions = {},
): OnnxNetwork {
  const graph = new OnnxGraph(source.config.architecture, { weights });
  return OnnxNetwork.start(graph, source, ARITHMETICS[type](graph), inputs, taskHead);
}

/** Cast to double before the Gram matrix: float32 gets 1 % of the counts wrong (docs/method.md). */
function gramOutputs({ graph, source }: OnnxNetwork, context: string, names: ReturnType<typeof headOutputs>): void {
  const { heads, headDim } = source.config;
  const transpose = (x: string, perm: number[]) =>
    graph.node('Transpose', [x], { attributes: { perm: { ints: perm } } });
  const o = graph.cast(context, 'float64'); // [B, S, H, dh]
  const byToken = transpose(o, [0, 2, 1, 3]); // [B, H, S, dh]
  const byFeature = transpose(o, [0, 2, 3, 1]); // [B, H, dh, S]
  const product = (left: string, right: string, size: number | string) => {
    const branch = new OnnxGraph(`${names.gram}_${size}`, { parent: graph });
    const gram = branch.node('MatMul', [left, right]);
    branch.output(`${names.gram}_${size}`, gram, 'float64', ['B', heads, size, size]);
    return branch;
  };
  const gram = graph.node('If', [TOKEN_SIDE], {
    attributes: {
      then_branch: { graph: product(byToken, byFeature, 'S') },
      else_branch: { graph: product(byFeature, byToken, headDim) },
    },
  });
  graph.output(names.gram, gram, 'float64', ['B', heads, 'm', 'm']);
  const tokenSum = graph.node('ReduceSum', [o, graph.ints([1])], { attributes: { keepdims: { int: 0 } } });
  graph.output(names.tokenSum, tokenSum, 'float64', ['B', heads, headDim]);
}
