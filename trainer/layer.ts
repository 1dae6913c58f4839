import type { Activation } from '../model/operations';
import { ACTIVATIONS } from './activation';
import {
  type AttentionGradients,
  type AttentionTrace,
  type AttentionWeights,
  attend,
  attendBack,
  type OfHeads,
} from './attention';
import { type Dropout, drop } from './dropout';
import { layerNorm, layerNormGradient, layerNormWeightGradients, type NormTrace, type NormWeights } from './layer-norm';
import type { Ops, Tensor } from './ops';

/** An encoder layer, ready to run: the tuned slices are in place. */
export interface LayerWeights {
  attention: AttentionWeights;
  /** Whether all that is beside the heads is tuned too. */
  tunesRest: boolean;
  attentionNorm: NormWeights;
  intermediate: Tensor; // [di, d]
  intermediateBias: Tensor; // [di]
  activation: Activation;
  output: Tensor; // [d, di]
  outputBias: Tensor; // [d]
  outputNorm: NormWeights;
}

/** How a layer runs in training: with which dropout, and which layer it is. */
export interface TrainingPass {
  dropout: Dropout;
  layer: number;
  /** Of the attention's probabilities. */
  attentionRate: number;
  /** Of what the attention puts out. */
  attentionOutputRate: number;
  /** Of what the feed-forward layer puts out. */
  outputRate: number;
}

/** What the way back needs of one layer and batch. */
export interface LayerTrace {
  /** B. */
  batch: Tensor; // [1]
  /** Whether Sq is 1. */
  firstOnly: boolean;
  attention: AttentionTrace;
  attentionDropped: Tensor | undefined; // [B·Sq, d]
  attentionNorm: NormTrace;
  middle: Tensor; // [B·Sq, d]
  active: Tensor; // [B·Sq, di]
  slope: Tensor; // [B·Sq, di]
  outputDropped: Tensor | undefined; // [B·Sq, d]
  outputNorm: NormTrace;
}

/** Gradients by all of a layer that is beside its heads, in the shapes of the weights. */
export interface RestGradients {
  attentionOutputBias: Tensor; // [d]
  attentionNorm: Pick<NormWeights, 'scale' | 'offset'>;
  intermediate: Tensor; // [di, d]
  intermediateBias: Tensor; // [di]
  output: Tensor; // [d, di]
  outputBias: Tensor; // [d]
  outputNorm: Pick<NormWeights, 'scale' | 'offset'>;
}

/** Gradients by what is tuned of a layer. */
export interface LayerGradients {
  attention?: AttentionGradients;
  rest?: RestGradients;
}

/**
 * One encoder layer, norms after the residuals (Vaswani et al. 2017; BERT).
 *
 * @param rows // [B·S, d]
 * @param mask 0 at real tokens, very negative at padding // [B, 1, 1, S]
 * @param firstOnly whether position 0 of each sequence is all that is wanted: the other rows are keys and values alone
 * @param pass absent in evaluation: no dropout, no trace
 * @returns the output `[B·Sq, d]`, Sq = 1 with `firstOnly`, else S
 */
export function runLayer(
  ops: Ops,
  rows: Tensor,
  mask: Tensor,
  weights: LayerWeights,
  firstOnly: boolean,
  pass?: TrainingPass,
): { output: Tensor; trace?: LayerTrace } {
  const factors = (x: Tensor, rate: number, site: 'attention' | 'attentionOutput' | 'output') =>
    pass?.dropout.factors(ops, x, rate, pass.layer, site);
  const queryRows = firstOnly ? firstTokens(ops, rows, ops.size(mask, 0)) : rows; // [B·Sq, d]

  const attended = attend(ops, rows, queryRows, mask, weights.attention, (probabilities) =>
    factors(probabilities, pass?.attentionRate ?? 0, 'attention'),
  );
  const attentionDropped = factors(queryRows, pass?.attentionOutputRate ?? 0, 'attentionOutput');
  const afterAttention = ops.add(queryRows, drop(ops, attended.output, attentionDropped));
  const middle = layerNorm(ops, afterAttention, weights.attentionNorm); // [B·Sq, d]

  const wide = ops.biasAdd(ops.matMul(middle.value, weights.intermediate, { b: true }), weights.intermediateBias);
  const { value: active, derivative } = ACTIVATIONS[weights.activation](ops, wide, pass !== undefined); // [B·Sq, di]
  const narrow = ops.biasAdd(ops.matMul(active, weights.output, { b: true }), weights.outputBias); // [B·Sq, d]
  const outputDropped = factors(queryRows, pass?.outputRate ?? 0, 'output');
  const last = layerNorm(ops, ops.add(middle.value, drop(ops, narrow, outputDropped)), weights.outputNorm);

  if (!derivative) return { output: last.value };
  const trace: LayerTrace = {
    batch: ops.size(mask, 0),
    firstOnly,
    attention: attended.trace,
    attentionDropped,
    attentionNorm: middle.trace,
    middle: middle.value,
    active,
    slope: derivative,
    outputDropped,
    outputNorm: last.trace,
  };
  return { output: last.value, trace };
}

/**
 * The way back through {@link runLayer}.
 *
 * @param gradient by the layer's output // [B·Sq, d]
 * @param inputToo whether something below is tuned
 * @param ofHeads what is asked for of each head and sequence, with `inputToo`
 * @returns gradients by what is tuned and, with `inputToo`, by the layer's input `[B·S, d]`, and of the heads `[B, H]`
 */
export function runLayerBack(
  ops: Ops,
  gradient: Tensor,
  weights: LayerWeights,
  trace: LayerTrace,
  inputToo: boolean,
  ofHeads?: OfHeads,
): { gradients: LayerGradients; input?: Tensor; heads?: Tensor } {
  const byLast = layerNormGradient(ops, gradient, weights.outputNorm, trace.outputNorm); // [B·Sq, d]
  const byNarrow = drop(ops, byLast, trace.outputDropped); // [B·Sq, d]
  const byWide = ops.mul(ops.matMul(byNarrow, weights.output), trace.slope); // [B·Sq, di]
  const byMiddle = ops.add(byLast, ops.matMul(byWide, weights.intermediate)); // [B·Sq, d]
  const byAttended = layerNormGradient(ops, byMiddle, weights.attentionNorm, trace.attentionNorm); // [B·Sq, d]
  const byAttention = drop(ops, byAttended, trace.attentionDropped); // [B·Sq, d]
  const back = attendBack(ops, byAttention, weights.attention, trace.attention, trace.batch, inputToo, ofHeads);
  const { heads } = back;
  const gradients = { attention: back.gradients, rest: weights.tunesRest ? restGradients() : undefined };
  if (!back.rows || !back.queryRows) return { gradients };

  const asked = ops.add(byAttended, back.queryRows); // [B·Sq, d]
  const input = trace.firstOnly ? addToFirst(ops, back.rows, asked, trace.batch) : ops.add(back.rows, asked);
  return { gradients, input, heads };

  function restGradients(): RestGradients {
    return {
      attentionOutputBias: ops.sum(byAttention, [0]),
      attentionNorm: layerNormWeightGradients(ops, byMiddle, trace.attentionNorm),
      intermediate: ops.matMul(byWide, trace.middle, { a: true }),
      intermediateBias: ops.sum(byWide, [0]),
      output: ops.matMul(byNarrow, trace.active, { a: true }),
      outputBias: ops.sum(byNarrow, [0]),
      outputNorm: layerNormWeightGradients(ops, gradient, trace.outputNorm),
    };
  }
}

/** Position 0 of each of the B sequences. // [B·S, d] → [B, d] */
function firstTokens(ops: Ops, rows: Tensor, batch: Tensor): Tensor {
  const width = rows.shape[1]!;
  const sequences = ops.reshape(rows, [batch, -1, width]);
  return ops.reshape(ops.slice(sequences, [0, 0, 0], [-1, 1, -1]), [-1, width]);
}

/** `first` added to position 0 of each of the B sequences. // [B·S, d], [B, d] → [B·S, d] */
function addToFirst(ops: Ops, rows: Tensor, first: Tensor, batch: Tensor): Tensor {
  const width = rows.shape[1]!;
  const sequences = ops.reshape(rows, [batch, -1, width]);
  const sum = ops.add(ops.slice(sequences, [0, 0, 0], [-1, 1, -1]), ops.reshape(first, [-1, 1, width])); // [B, 1, d]
  const rest = ops.slice(sequences, [0, 1, 0], [-1, -1, -1]); // [B, S−1, d]
  return ops.reshape(ops.concat([sum, rest], 1), [-1, width]);
}
