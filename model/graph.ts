import { type Arithmetic, float16Arithmetic, float32Arithmetic, q8Arithmetic } from './arithmetic';
import type { Activation, ModelConfig } from './config';
import { FAMILIES, type Family, type LayerRole, layerModule } from './families';
import { OnnxGraph, type WeightsFile } from './onnx';
import type { OnnxDtype } from './onnx-dtype';

/**
 * The encoder as an ONNX graph (Vaswani et al. 2017; Devlin et al. 2019), built from a checkpoint's weights. Four ends to one
 * trunk: `analysisModel` ends at the heads of the last layer with what the analysis needs of each head, `hiddenStatesModel` runs
 * all of it, `meanPooledModel` goes on to a text's embedding, `classifierModel` through a task head. Inputs, all int64 [B, S]: `input_ids`,
 * `token_type_ids` (where the family has them), `position_ids` (where they are not computed) and `attention_mask` (1 for a
 * token, 0 for padding on the right).
 */

/** What a graph takes from a checkpoint. */
export interface GraphSource {
  config: ModelConfig;
  /** Values of a tensor by its canonical name. */
  tensor(canonical: string): Float32Array;
}

/** What the analysis fetches of each layer's heads. */
export type HeadOutputs = 'gram' | 'context';

/** Name of the boolean scalar input of a `gram` model: true for OOᵀ [S, S], false for OᵀO [dh, dh]. */
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

/** Added to a padded key's score: the smallest float32, whose exponential is 0 beside any real score. */
const MASKED = -3.4028234663852886e38;

/** Names of a packed graph's further inputs, int64. */
export const PACKING = {
  /** Of each of the T real tokens its place in [B, S], flat. [T] */
  tokens: 'tokens',
  /** Of each place in [B, S] its token among the T; any for padding. [B, S] */
  places: 'places',
};

const ARITHMETICS: Record<OnnxDtype, (graph: OnnxGraph) => Arithmetic> = {
  fp32: float32Arithmetic,
  fp16: float16Arithmetic,
  q8: q8Arithmetic,
};

interface Trunk {
  graph: OnnxGraph;
  arithmetic: Arithmetic;
  /** Whether rows are the T real tokens, and padding is put in for attention alone. */
  packed: boolean;
  source: GraphSource;
  family: Family;
  /** 0 or MASKED a key, float32 [B, 1, 1, S]. */
  keyBias: string;
  /** 1 for a token, 0 for padding, int64 [B, S]. */
  mask: string;
  /** Reshapes [B, S, d] to [B, S, H, dh]. */
  split: string;
  /** 1/√dh. */
  scale: string;
}

/**
 * The analysis's graph (docs/method.md), packed: what is done to each token by itself is done to real tokens alone. Its last layer
 * ends at the heads: projection and feed-forward are not in it. With `gram` each layer gives the Gram matrix of the smaller side and the token sum, both in float64; with `context` the head outputs.
 *
 * @throws HifiError when a tensor is missing or not finite, or the weights take 2 GB or more.
 */
export function analysisModel(source: GraphSource, outputs: HeadOutputs, weights?: WeightsFile): Uint8Array {
  const { layers, heads, headDim } = source.config;
  const { trunk, embedded } = startTrunk(source, { packed: true, weights });
  const { graph } = trunk;
  if (outputs === 'gram') graph.input(TOKEN_SIDE, 'bool', []);
  const tokenMask = graph.node('Unsqueeze', [graph.cast(trunk.mask, 'float32'), graph.ints([2, 3])]); // [B, S, 1, 1]
  let x = embedded;
  for (let layer = 0; layer < layers; layer++) {
    const context = attention(trunk, x, layer);
    const masked = graph.node('Mul', [context, tokenMask]); // [B, S, H, dh]
    const names = headOutputs(layer);
    if (outputs === 'context') graph.output(names.context, masked, 'float32', ['B', 'S', heads, headDim]);
    else gramOutputs(trunk, masked, names);
    if (layer < layers - 1) x = afterAttention(trunk, x, context, layer);
  }
  return graph.toModel();
}

/** The whole encoder; outputs `hidden_0` (the embeddings) … `hidden_L`, float32 [B, S, d]. */
export function hiddenStatesModel(source: GraphSource): Uint8Array {
  const { layers, hiddenSize } = source.config;
  const { trunk, embedded } = startTrunk(source);
  let x = embedded;
  trunk.graph.output('hidden_0', x, 'float32', ['B', 'S', hiddenSize]);
  for (let layer = 0; layer < layers; layer++) {
    x = afterAttention(trunk, x, attention(trunk, x, layer), layer);
    trunk.graph.output(`hidden_${layer + 1}`, x, 'float32', ['B', 'S', hiddenSize]);
  }
  return trunk.graph.toModel();
}

/** Name of the output of a mean-pooled model. */
export const EMBEDDING = 'embedding';

/**
 * The whole encoder, and the mean of its last hidden states over the real tokens: output `embedding`, float32 [B, d] (Reimers &
 * Gurevych 2019, "mean pooling").
 *
 * @param weights takes the weights, which must else take less than 2 GB
 * @throws HifiError when a tensor is missing or not finite, or the weights take 2 GB or more.
 */
export function meanPooledModel(source: GraphSource, weights?: WeightsFile): Uint8Array {
  const { layers, hiddenSize: d } = source.config;
  const { trunk, embedded } = startTrunk(source, { weights });
  const { graph } = trunk;
  let x = embedded;
  for (let layer = 0; layer < layers; layer++) x = afterAttention(trunk, x, attention(trunk, x, layer), layer);
  const real = graph.node('Unsqueeze', [graph.cast(trunk.mask, 'float32'), graph.ints([2])]); // [B, S, 1]
  const overTokens = (values: string) =>
    graph.node('ReduceSum', [values, graph.ints([1])], { attributes: { keepdims: { int: 0 } } });
  const sum = overTokens(graph.node('Mul', [x, real])); // [B, d]
  graph.output(EMBEDDING, graph.node('Div', [sum, overTokens(real)]), 'float32', ['B', d]);
  return graph.toModel();
}

/** A sequence classifier's end. */
export interface ClassifierEnd {
  /** C, logits a row. */
  outputs: number;
  /** Whether `token_type_ids` is an input; without it all tokens are of segment 0. */
  segments: boolean;
  /** Arithmetic of the encoder; float32 when absent. */
  type?: OnnxDtype;
}

/**
 * A sequence classifier with its task head: output `logits`, float32 [B, C]. Positions are computed
 * in the graph, so that its inputs are a tokenizer's outputs. The task head reads position 0 alone,
 * and so does the last layer, except for keys and values. The task head is always float32: it is
 * small, and its rounding would directly change the logits.
 *
 * @param weights takes the weights, which must else take less than 2 GB
 * @throws HifiError when a tensor is missing or not finite, or the weights take 2 GB or more.
 */
export function classifierModel(
  source: GraphSource,
  { outputs, segments, type }: ClassifierEnd,
  weights?: WeightsFile,
): Uint8Array {
  const { layers, hiddenSize: d } = source.config;
  const { trunk, embedded } = startTrunk(source, { positions: 'computed', segments, type, weights });
  const { graph, family } = trunk;
  let x = embedded;
  for (let layer = 0; layer < layers; layer++) {
    const asking =
      layer < layers - 1 ? x : graph.node('Gather', [x, graph.ints([0])], { attributes: { axis: { int: 1 } } });
    x = afterAttention(trunk, asking, attention(trunk, x, layer, asking), layer); // [B, S, d], at last [B, 1, d]
  }
  const { taskHead } = family;
  const head = { ...trunk, arithmetic: float32Arithmetic(graph) };
  const first = graph.node('Squeeze', [x, graph.ints([1])]); // [B, d]
  const hidden = activate(graph, dense(head, first, taskHead.dense, d, d), taskHead.activation);
  graph.output('logits', dense(head, hidden, taskHead.classifier, outputs, d), 'float32', ['B', outputs]);
  return graph.toModel();
}

/** Sources of positions, segments and weights, and the destination of the weights. */
interface TrunkOptions {
  packed?: boolean;
  positions?: 'given' | 'computed';
  segments?: boolean;
  type?: OnnxDtype;
  weights?: WeightsFile;
}

/** Inputs, mask and embeddings; E is the width of the tables, projected to d where it is another. */
function startTrunk(
  source: GraphSource,
  { packed = false, positions = 'given', segments = true, type = 'fp32', weights }: TrunkOptions = {},
): { trunk: Trunk; embedded: string } {
  const { config } = source;
  const graph = new OnnxGraph(config.architecture, { weights });
  const arithmetic = ARITHMETICS[type](graph);
  const family: Family = FAMILIES[config.family];
  const { wordEmbeddings, positionEmbeddings, tokenTypeEmbeddings, embeddingsNorm, embeddingsProjection } =
    family.modules;
  const { embeddingSize, hiddenSize } = config;
  const tokens = packed ? graph.input(PACKING.tokens, 'int64', ['T']) : undefined;
  if (packed) graph.input(PACKING.places, 'int64', ['B', 'S']);
  const input = (name: string) => {
    const given = graph.input(name, 'int64', ['B', 'S']);
    return tokens ? graph.node('Gather', [graph.node('Reshape', [given, graph.ints([-1])]), tokens]) : given; // [T]
  };
  const rows = (module: string, rows: number, pick: PickRows) =>
    arithmetic.rows({ module, rows, width: embeddingSize, weight: source.tensor(`${module}.weight`) }, pick);
  const gathered = (at: string) => (table: string) => graph.node('Gather', [table, at]);

  const ids = input('input_ids');
  let sum = rows(wordEmbeddings, config.vocabSize, gathered(ids)); // [B, S, E]
  if (tokenTypeEmbeddings) {
    const asked = segments ? input('token_type_ids') : graph.ints([0]); // [B, S] or [1]
    sum = graph.node('Add', [sum, rows(tokenTypeEmbeddings, config.typeVocabSize, gathered(asked))]);
  }
  const placed = positions === 'given' ? gathered(input('position_ids')) : computedPositions(graph, config, ids);
  sum = graph.node('Add', [sum, rows(positionEmbeddings, config.positionRows, placed)]);

  const mask = graph.input('attention_mask', 'int64', ['B', 'S']);
  const ofKeys = graph.cast(graph.node('Unsqueeze', [mask, graph.ints([1, 2])]), 'bool'); // [B, 1, 1, S]
  const trunk: Trunk = {
    graph,
    arithmetic,
    packed,
    source,
    family,
    keyBias: graph.node('Where', [ofKeys, graph.scalar(0), graph.scalar(MASKED)]),
    mask,
    split: graph.ints([0, 0, config.heads, config.headDim]),
    scale: graph.scalar(1 / Math.sqrt(config.headDim)),
  };
  const normed = layerNorm(trunk, sum, embeddingsNorm, embeddingSize); // [B, S, E]
  const projects = embeddingsProjection && embeddingSize !== hiddenSize;
  return { trunk, embedded: projects ? dense(trunk, normed, embeddingsProjection, hiddenSize, embeddingSize) : normed };
}

/** Picks rows from a constant table. */
type PickRows = (table: string) => string;

/**
 * Each token's row of the position table: [S, E], or [B, S, E] where the padding token has a row of its own wherever it
 * stands and is not counted. (No Gather with a computed Range: it meets a bug in onnxruntime 1.30's slice fusion.)
 */
function computedPositions(graph: OnnxGraph, config: ModelConfig, ids: string): PickRows {
  if (FAMILIES[config.family].firstPosition === 'zero') {
    const S = graph.node('Shape', [ids], { attributes: { start: { int: 1 }, end: { int: 2 } } }); // [1]
    const zero = graph.ints([0]);
    return (table) => graph.node('Slice', [table, zero, S, zero]);
  }
  const padId = graph.ints([config.padTokenId]);
  const isText = graph.node('Not', [graph.node('Equal', [ids, padId])]);
  const counted = graph.cast(isText, 'int64'); // [B, S]
  const numbers = graph.node('Mul', [graph.node('CumSum', [counted, graph.ints([1])]), counted]);
  const places = graph.node('Add', [numbers, padId]);
  return (table) => graph.node('Gather', [table, places]);
}

/**
 * O_h = softmax(QKᵀ/√dh + mask)·V of every head, [B, Sq, H, dh].
 *
 * @param asking the tokens that ask, [B, Sq, d]: all of them unless given
 */
function attention(trunk: Trunk, x: string, layer: number, asking = x): string {
  const { graph, family } = trunk;
  const { narrow, wide } = trunk.arithmetic;
  const { hiddenSize: d } = trunk.source.config;
  const project = (role: LayerRole, perm: number[]) => {
    const given = product(trunk, role === 'query' ? asking : x, layerModule(family, layer, role), d, d);
    const rows = trunk.packed ? graph.node('Gather', [given, PACKING.places]) : given; // [B, S, d]
    return transpose(graph, graph.node('Reshape', [rows, trunk.split]), perm);
  };
  const query = project('query', [0, 2, 1, 3]); // [B, H, Sq, dh]
  const key = project('key', [0, 2, 3, 1]); // [B, H, dh, S]
  const value = project('value', [0, 2, 1, 3]); // [B, H, S, dh]
  const scores = graph.node('Mul', [wide(graph.node('MatMul', [query, key])), trunk.scale]); // [B, H, Sq, S]
  const weights = graph.node('Softmax', [graph.node('Add', [scores, trunk.keyBias])], {
    attributes: { axis: { int: -1 } },
  });
  return transpose(graph, wide(graph.node('MatMul', [narrow(weights), value])), [0, 2, 1, 3]);
}

/** The rest of a layer: output projection, feed-forward, both with residual and layer norm. [B, S, d], packed [T, d] */
function afterAttention(trunk: Trunk, x: string, context: string, layer: number): string {
  const { graph, family } = trunk;
  const { hiddenSize: d, intermediateSize, activation } = trunk.source.config;
  const at = (role: LayerRole) => layerModule(family, layer, role);
  const merged = trunk.packed
    ? graph.node('Gather', [graph.node('Reshape', [context, graph.ints([-1, d])]), PACKING.tokens]) // [T, d]
    : graph.node('Reshape', [context, graph.ints([0, 0, d])]); // [B, S, d]
  const attended = layerNorm(
    trunk,
    graph.node('Add', [dense(trunk, merged, at('attentionOutput'), d, d), x]),
    at('attentionNorm'),
  );
  const inner = activate(graph, dense(trunk, attended, at('intermediate'), intermediateSize, d), activation); // [B, S, 4d]
  return layerNorm(
    trunk,
    graph.node('Add', [dense(trunk, inner, at('output'), d, intermediateSize), attended]),
    at('outputNorm'),
  );
}

/** Cast to double before the Gram matrix: float32 gets 1 % of the counts wrong (docs/method.md). */
function gramOutputs(trunk: Trunk, context: string, names: ReturnType<typeof headOutputs>): void {
  const { graph } = trunk;
  const { heads, headDim } = trunk.source.config;
  const o = graph.cast(context, 'float64'); // [B, S, H, dh]
  const byToken = transpose(graph, o, [0, 2, 1, 3]); // [B, H, S, dh]
  const byFeature = transpose(graph, o, [0, 2, 3, 1]); // [B, H, dh, S]
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

/**
 * Activation of the feed-forward layer; `gelu_new` is the approximation by tanh (Hendrycks & Gimpel
 * 2016).
 */
function activate(graph: OnnxGraph, x: string, activation: Activation): string {
  switch (activation) {
    case 'gelu':
      return graph.node('Gelu', [x]);
    case 'gelu_new':
      return graph.node('Gelu', [x], { attributes: { approximate: { text: 'tanh' } } });
    case 'quick_gelu':
      return graph.node('Mul', [x, graph.node('Sigmoid', [graph.node('Mul', [x, graph.scalar(1.702)])])]);
    case 'relu':
      return graph.node('Relu', [x]);
    case 'silu':
      return graph.node('Mul', [x, graph.node('Sigmoid', [x])]);
    case 'tanh':
      return graph.node('Tanh', [x]);
  }
}

/** Computes x·Wᵀ + b of a module, float32 → float32. */
const dense = (trunk: Trunk, x: string, module: string, out: number, into: number): string =>
  trunk.arithmetic.wide(product(trunk, x, module, out, into));

/** Computes the same, to be passed to `wide`. */
function product({ arithmetic, source }: Trunk, x: string, module: string, out: number, into: number): string {
  const weight = source.tensor(`${module}.weight`); // [out, into]
  const bias = source.tensor(`${module}.bias`);
  return arithmetic.dense(arithmetic.narrow(x), { module, out, into, weight, bias });
}

/** @param width of the last axis: d, or E of the embeddings. */
function layerNorm({ graph, source }: Trunk, x: string, module: string, width = source.config.hiddenSize): string {
  const { layerNormEps } = source.config;
  const constant = (name: string) => graph.constant('float32', [width], source.tensor(name), name);
  const [scale, bias] = [constant(`${module}.weight`), constant(`${module}.bias`)];
  return graph.node('LayerNormalization', [x, scale, bias], {
    attributes: { axis: { int: -1 }, epsilon: { float: layerNormEps } },
  });
}

function transpose(graph: OnnxGraph, x: string, perm: number[]): string {
  return graph.node('Transpose', [x], { attributes: { perm: { ints: perm } } });
}
