import type { ModelConfig } from '../model/config';
import { FAMILIES, type FamilyName } from '../model/families';
import type { OfHeads } from './attention';
import type { Dropout } from './dropout';
import type { Encoder } from './encoder';
import { type LayerTrace, type LayerWeights, runLayer, runLayerBack } from './layer';
import { type Loss, type ProblemKind, taskLoss } from './loss';
import type { Ops, Tensor } from './ops';
import { classify, classifyBack, type TaskHeadNames, type TaskHeadTrace, type TaskHeadWeights } from './task-head';
import { type EmbeddingWeights, embedTokens, embedTokensBack, trainedEmbeddings } from './trained-embeddings';

/** What is trained and what it stands on: the tuned part of the network. */
export interface TunedNetwork {
  config: ModelConfig;
  encoder: Encoder;
  /** Where they are trained: what the network reads are then the tokens' numbers. */
  embeddings?: EmbeddingWeights;
  layers: LayerWeights[];
  head: TaskHeadWeights;
  names: TaskHeadNames;
}

/** Puts trained tensors in their places. */
export function assembleNetwork(
  config: ModelConfig,
  encoder: Encoder,
  names: TaskHeadNames,
  trained: ReadonlyMap<string, Tensor>,
): TunedNetwork {
  const headTensor = (name: string) => trained.get(name) as Tensor;
  return {
    config,
    encoder,
    embeddings: encoder.tunesAll ? trainedEmbeddings(config, trained) : undefined,
    layers: encoder.assemble(trained, encoder.lowest, config.layers),
    head: {
      dense: headTensor(`${names.dense}.weight`),
      denseBias: headTensor(`${names.dense}.bias`),
      classifier: headTensor(`${names.classifier}.weight`),
      classifierBias: headTensor(`${names.classifier}.bias`),
      activation: FAMILIES[config.architecture as FamilyName].taskHead.activation,
    },
    names,
  };
}

/** Logits as in evaluation. // [B·S, d] (tokens' numbers [B·S, 3]), [B, 1, 1, S] → [B, C] */
export function logitsOf(ops: Ops, { embeddings, layers, head }: TunedNetwork, hidden: Tensor, mask: Tensor): Tensor {
  let rows = embeddings ? embedTokens(ops, hidden, embeddings).output : hidden;
  layers.forEach((layer, i) => {
    rows = runLayer(ops, rows, mask, layer, i === layers.length - 1).output;
  });
  return classify(ops, rows, head).logits; // the last layer left position 0 alone
}

/**
 * One pass forward and back: these rows' part of the mean loss and its gradient by everything that is trained, by name.
 *
 * @param hidden what the frozen part put out, or the tokens' numbers // [B·S, d] or [B·S, 3]
 * @param mask 0 at real tokens, very negative at padding // [B, 1, 1, S]
 * @param targets // [B, C]
 * @param count rows of the whole batch // []
 * @param ofHeads what is asked for of each head and sequence: `heads`, `[B, H]` a layer
 */
export function differentiate(
  ops: Ops,
  { config, encoder, embeddings, layers, head, names }: TunedNetwork,
  hidden: Tensor,
  mask: Tensor,
  targets: Tensor,
  count: Tensor,
  problem: ProblemKind,
  dropout: Dropout,
  ofHeads?: OfHeads,
): { loss: Tensor; logits: Tensor; gradients: Map<string, Tensor>; heads: Tensor[] } {
  const { taskHead, dropsAttentionOutput } = FAMILIES[config.architecture as FamilyName];
  const traces: LayerTrace[] = [];
  const embedded =
    embeddings &&
    embedTokens(ops, hidden, embeddings, (rows) => dropout.factors(ops, rows, config.hiddenDropout, 0, 'embeddings'));
  let rows = embedded?.output ?? hidden;
  layers.forEach((layer, i) => {
    const { output, trace } = runLayer(ops, rows, mask, layer, i === layers.length - 1, {
      dropout,
      layer: encoder.lowest + i,
      attentionRate: config.attentionDropout,
      attentionOutputRate: dropsAttentionOutput ? config.hiddenDropout : 0,
      outputRate: config.hiddenDropout,
    });
    rows = output;
    traces.push(trace as LayerTrace);
  });
  const factors = (site: 'headInput' | 'pooled') =>
    dropout.factors(ops, rows, config.classifierDropout, config.layers, site);
  const dropped = { input: taskHead.dropsInput ? factors('headInput') : undefined, pooled: factors('pooled') };
  const { logits, trace } = classify(ops, rows, head, dropped);
  const { loss, byLogits }: Loss = taskLoss(ops, logits, targets, count, problem);

  const headBack = classifyBack(ops, byLogits, head, trace as TaskHeadTrace);
  const gradients = new Map<string, Tensor>([
    [`${names.dense}.weight`, headBack.gradients.dense],
    [`${names.dense}.bias`, headBack.gradients.denseBias],
    [`${names.classifier}.weight`, headBack.gradients.classifier],
    [`${names.classifier}.bias`, headBack.gradients.classifierBias],
  ]);
  const heads: Tensor[] = [];
  let gradient = headBack.first;
  for (let i = layers.length - 1; i >= 0; i--) {
    const inputToo = i > 0 || embeddings !== undefined || ofHeads !== undefined;
    const back = runLayerBack(ops, gradient, layers[i], traces[i], inputToo, ofHeads);
    for (const [name, value] of encoder.named(encoder.lowest + i, back.gradients)) gradients.set(name, value);
    if (back.heads) heads.unshift(back.heads);
    if (back.input) gradient = back.input;
  }
  if (embeddings && embedded) {
    for (const [name, value] of embedTokensBack(ops, config, gradient, embeddings, embedded.trace)) {
      gradients.set(name, value);
    }
  }
  return { loss, logits, gradients, heads };
}
