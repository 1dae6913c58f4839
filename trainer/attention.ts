import { drop } from './dropout';
import type { Ops, Tensor } from './ops';

/**
 * A layer's attention with its heads in the layer's own order: the frozen ones first, the tuned ones last, so that all that
 * belongs to the tuned heads is one block of rows. The softmax does not see the order; `output` is permuted alike.
 */
export interface AttentionWeights {
  heads: number;
  headDim: number;
  /** How many heads, at the end of the order, are tuned. */
  tuned: number;
  /** Whether the tuned heads' columns of W_O are tuned too. */
  tunesOutput: boolean;
  /** W_Q and its bias, both divided by √dh. */
  query: Tensor; // [H·dh, d]
  queryBias: Tensor; // [H·dh]
  key: Tensor; // [H·dh, d]
  keyBias: Tensor; // [H·dh]
  value: Tensor; // [H·dh, d]
  valueBias: Tensor; // [H·dh]
  /** W_O transposed: a row for each context entry. */
  output: Tensor; // [H·dh, d]
  outputBias: Tensor; // [d]
}

/** What the way back needs of the attention of one batch; Sq is S, or 1 where position 0 alone asks. */
export interface AttentionTrace {
  rows: Tensor; // [B·S, d]
  queryRows: Tensor; // [B·Sq, d]
  query: Tensor; // [B, H, Sq, dh]
  key: Tensor; // [B, H, S, dh]
  value: Tensor; // [B, H, S, dh]
  probabilities: Tensor; // [B, H, Sq, S]
  dropped: Tensor | undefined; // [B, H, Sq, S]
  context: Tensor; // [B·Sq, H·dh]
}

/** Gradients by the tuned heads' slices, in the shapes of the delta. */
export interface AttentionGradients {
  query: Tensor; // [t·dh, d]
  queryBias: Tensor; // [t·dh]
  key: Tensor; // [t·dh, d]
  value: Tensor; // [t·dh, d]
  valueBias: Tensor; // [t·dh]
  /** The columns of W_O, transposed; only where they are tuned. */
  output?: Tensor; // [t·dh, d]
}

/**
 * What of each head and sequence: the gradient by its gate, a factor (= 1) of the head's context (Michel et al. 2019), or the
 * sum of the squared gradients by the numbers that tuning it would tune (the empirical Fisher's diagonal; Sung et al. 2021).
 */
export type OfHeads = 'gates' | 'squares';

/** Cuts `[B·S, n·dh]` into heads. // → [B, n, S, dh] */
function splitHeads(ops: Ops, rows: Tensor, batch: Tensor, headDim: number): Tensor {
  const parts = ops.reshape(rows, [batch, -1, rows.shape[1]! / headDim, headDim]);
  return ops.transpose(parts, [0, 2, 1, 3]);
}

/** The inverse of {@link splitHeads}. // [B, n, S, dh] → [B·S, n·dh] */
function joinHeads(ops: Ops, split: Tensor): Tensor {
  const [, heads, , headDim] = split.shape;
  return ops.reshape(ops.transpose(split, [0, 2, 1, 3]), [-1, heads! * headDim!]);
}

/**
 * Multi-head attention: `softmax(QKᵀ/√dh + mask)·V·W_O + b_O`.
 *
 * @param rows the layer's input // [B·S, d]
 * @param queryRows the rows that ask: `rows`, or position 0 of each sequence // [B·Sq, d]
 * @param mask 0 at real tokens, very negative at padding // [B, 1, 1, S]
 * @param dropFactors makes the dropout of the probabilities, for the probabilities it is given
 */
export function attend(
  ops: Ops,
  rows: Tensor,
  queryRows: Tensor,
  mask: Tensor,
  weights: AttentionWeights,
  dropFactors?: (probabilities: Tensor) => Tensor | undefined,
): { output: Tensor; trace: AttentionTrace } {
  const batch = ops.size(mask, 0);
  const project = (from: Tensor, weight: Tensor, bias: Tensor) =>
    splitHeads(ops, ops.biasAdd(ops.matMul(from, weight, { b: true }), bias), batch, weights.headDim);
  const query = project(queryRows, weights.query, weights.queryBias); // [B, H, Sq, dh]
  const key = project(rows, weights.key, weights.keyBias); // [B, H, S, dh]
  const value = project(rows, weights.value, weights.valueBias); // [B, H, S, dh]

  const scores = ops.add(ops.batchMatMul(query, key, { b: true }), mask); // [B, H, Sq, S]
  const probabilities = ops.softmax(scores); // [B, H, Sq, S]
  const dropped = dropFactors?.(probabilities);
  const context = joinHeads(ops, ops.batchMatMul(drop(ops, probabilities, dropped), value)); // [B·Sq, H·dh]
  const output = ops.biasAdd(ops.matMul(context, weights.output), weights.outputBias); // [B·Sq, d]
  return { output, trace: { rows, queryRows, query, key, value, probabilities, dropped, context } };
}

/**
 * The way back through {@link attend}.
 *
 * @param gradient by the attention's output // [B·Sq, d]
 * @param batch B // [1]
 * @param inputToo whether something below is tuned: without it frozen heads need no gradient at all
 * @param ofHeads what is asked for of each head and sequence, with `inputToo`
 * @returns gradients by the tuned slices and, with `inputToo`, by the rows, by the rows that asked, and what was asked for of
 *   the heads, `[B, H]`
 */
export function attendBack(
  ops: Ops,
  gradient: Tensor,
  weights: AttentionWeights,
  trace: AttentionTrace,
  batch: Tensor,
  inputToo: boolean,
  ofHeads?: OfHeads,
): { gradients?: AttentionGradients; rows?: Tensor; queryRows?: Tensor; heads?: Tensor } {
  const { heads, headDim, tuned } = weights;
  const width = tuned * headDim;
  const lastHeads = (x: Tensor) => ops.slice(x, [0, heads - tuned, 0, 0], [-1, tuned, -1, -1]);
  const lastColumns = (x: Tensor) => ops.slice(x, [0, x.shape[1]! - width], [-1, width]);
  const visited = inputToo ? (x: Tensor) => x : lastHeads; // n = H or t heads from here on

  const outputRows = inputToo ? weights.output : ops.slice(weights.output, [(heads - tuned) * headDim, 0], [width, -1]);
  const byContext = splitHeads(ops, ops.matMul(gradient, outputRows, { b: true }), batch, headDim); // [B, n, Sq, dh]

  const probabilities = visited(trace.probabilities); // [B, n, Sq, S]
  const dropped = trace.dropped && visited(trace.dropped); // [B, n, Sq, S]
  const byValue = ops.batchMatMul(drop(ops, probabilities, dropped), byContext, { a: true }); // [B, n, S, dh]
  const byProbability = drop(ops, ops.batchMatMul(byContext, visited(trace.value), { b: true }), dropped);
  const mean = ops.sum(ops.mul(byProbability, probabilities), [3], true); // [B, n, Sq, 1]
  const byScore = ops.mul(probabilities, ops.sub(byProbability, mean)); // [B, n, Sq, S]
  const byQuery = joinHeads(ops, ops.batchMatMul(byScore, visited(trace.key))); // [B·Sq, n·dh]
  const byKey = joinHeads(ops, ops.batchMatMul(byScore, visited(trace.query), { a: true })); // [B·S, n·dh]
  const byValueRows = joinHeads(ops, byValue); // [B·S, n·dh]

  const gradients = tuned > 0 ? tunedGradients() : undefined;
  if (!inputToo) return { gradients };
  return {
    gradients,
    rows: ops.add(ops.matMul(byKey, weights.key), ops.matMul(byValueRows, weights.value)), // [B·S, d]
    queryRows: ops.matMul(byQuery, weights.query), // [B·Sq, d]
    heads: ofHeads && (ofHeads === 'gates' ? byGates() : squares()),
  };

  function byGates(): Tensor {
    return ops.sum(ops.mul(byContext, splitHeads(ops, trace.context, batch, headDim)), [2, 3]); // [B, H]
  }

  /** Of what tuning a head tunes, in its own scale: the stored W_Q carries 1/√dh. */
  function squares(): Tensor {
    const of = (byRows: Tensor, rows: Tensor, bias: boolean) =>
      sequenceSquares(ops, byRows, rows, batch, headDim, bias);
    const query = ops.scale(of(byQuery, trace.queryRows, true), 1 / headDim); // [B, H]
    return ops.add(query, ops.add(of(byKey, trace.rows, false), of(byValueRows, trace.rows, true)));
  }

  function tunedGradients(): AttentionGradients {
    const scale = 1 / Math.sqrt(headDim); // the stored W_Q carries it: see AttentionWeights
    const tunedQuery = ops.scale(lastColumns(byQuery), scale); // [B·Sq, t·dh]
    const tunedValue = lastColumns(byValueRows); // [B·S, t·dh]
    return {
      query: ops.matMul(tunedQuery, trace.queryRows, { a: true }),
      queryBias: ops.sum(tunedQuery, [0]),
      key: ops.matMul(lastColumns(byKey), trace.rows, { a: true }),
      value: ops.matMul(tunedValue, trace.rows, { a: true }),
      valueBias: ops.sum(tunedValue, [0]),
      output: weights.tunesOutput ? ops.matMul(lastColumns(trace.context), gradient, { a: true }) : undefined,
    };
  }
}

/**
 * Of a projection `y = x·Wᵀ + b`: each sequence's own gradient by the head's dh rows of W, squared and summed.
 *
 * @param byRows the gradient by y // [B·S, H·dh]
 * @param rows x // [B·S, d]
 * @param bias whether b's squares are added
 * @returns // [B, H]
 */
function sequenceSquares(
  ops: Ops,
  byRows: Tensor,
  rows: Tensor,
  batch: Tensor,
  headDim: number,
  bias: boolean,
): Tensor {
  const width = byRows.shape[1]!;
  const bySequence = ops.reshape(byRows, [batch, -1, width]); // [B, S, H·dh]
  const gradient = ops.batchMatMul(bySequence, ops.reshape(rows, [batch, -1, rows.shape[1]!]), { a: true }); // [B, H·dh, d]
  const weight = ops.sum(ops.square(gradient), [2]); // [B, H·dh]
  const all = bias ? ops.add(weight, ops.square(ops.sum(bySequence, [1]))) : weight;
  return ops.sum(ops.reshape(all, [batch, width / headDim, headDim]), [2]);
}
