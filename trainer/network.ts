import type { Tensor } from '@tensorflow/tfjs-node';
import type { ModelConfig } from '../model/config';
import type { Dropout } from './dropout';
import type { Encoder } from './encoder';
import { type LayerTrace, type LayerWeights, runLayer, runLayerBack } from './layer';
import { type Loss, type ProblemKind, taskLoss } from './loss';
import type { Ops } from './ops';
import type { HiddenBatch } from './prefix';
import { classify, classifyBack, type TaskHeadNames, type TaskHeadWeights } from './task-head';

/** What is trained and what it stands on, ready for a batch: the tuned part of the network. */
export interface TunedNetwork {
  config: ModelConfig;
  encoder: Encoder;
  layers: LayerWeights[];
  head: TaskHeadWeights;
}

/** Puts trained tensors in their places; for the `tidy` that is open. */
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
    layers: encoder.assemble(trained, encoder.lowest, config.layers),
    head: {
      dense: headTensor(`${names.dense}.weight`),
      denseBias: headTensor(`${names.dense}.bias`),
      classifier: headTensor(`${names.classifier}.weight`),
      classifierBias: headTensor(`${names.classifier}.bias`),
    },
  };
}

/** Logits of a batch, as in evaluation. // → [B, C] */
export function evaluateBatch(ops: Ops, network: TunedNetwork, batch: HiddenBatch): Tensor {
  const { layers, head, config } = network;
  const mask = ops.floats(batch.mask, [batch.B, 1, 1, batch.S]);
  let rows = ops.floats(batch.hidden, [batch.B * batch.S, config.hiddenSize]);
  layers.forEach((layer, i) => {
    rows = runLayer(ops, rows, mask, layer, i === layers.length - 1).output;
  });
  return classify(ops, rows, head).logits; // the last layer left position 0 alone
}

/**
 * One pass forward and back: the mean loss of the batch and its gradient by everything that is trained, by name.
 *
 * @param targets class indices, or numbers; B of them
 */
export function differentiate(
  ops: Ops,
  network: TunedNetwork,
  names: TaskHeadNames,
  batch: HiddenBatch,
  targets: ArrayLike<number>,
  problem: ProblemKind,
  dropout: Dropout,
): { loss: Tensor; logits: Tensor; gradients: Map<string, Tensor> } {
  const { config, encoder, layers, head } = network;
  const mask = ops.floats(batch.mask, [batch.B, 1, 1, batch.S]);
  const traces: LayerTrace[] = [];
  let rows = ops.floats(batch.hidden, [batch.B * batch.S, config.hiddenSize]);
  layers.forEach((layer, i) => {
    const { output, trace } = runLayer(ops, rows, mask, layer, i === layers.length - 1, {
      dropout,
      layer: encoder.lowest + i,
      attentionRate: config.attentionDropout,
      hiddenRate: config.hiddenDropout,
    });
    rows = output;
    traces.push(trace as LayerTrace);
  });
  const dropped = dropout.factors(ops, rows.shape, config.classifierDropout, config.layers, 'pooled');
  const { logits, trace } = classify(ops, rows, head, dropped);
  const { loss, byLogits }: Loss = taskLoss(ops, logits, targets, problem);

  const headBack = classifyBack(ops, byLogits, head, trace);
  const gradients = new Map<string, Tensor>([
    [`${names.dense}.weight`, headBack.gradients.dense],
    [`${names.dense}.bias`, headBack.gradients.denseBias],
    [`${names.classifier}.weight`, headBack.gradients.classifier],
    [`${names.classifier}.bias`, headBack.gradients.classifierBias],
  ]);
  let gradient = headBack.first;
  for (let i = layers.length - 1; i >= 0; i--) {
    const back = runLayerBack(ops, gradient, layers[i], traces[i], i > 0);
    if (back.gradients) {
      for (const [name, value] of encoder.named(encoder.lowest + i, back.gradients)) gradients.set(name, value);
    }
    ops.dispose([gradient, traces[i]]);
    if (back.input) gradient = back.input;
  }
  return { loss, logits, gradients };
}
