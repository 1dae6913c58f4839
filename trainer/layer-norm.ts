import type { Ops, Tensor } from './ops';

/** A layer norm's parameters, `[d]` each. */
export interface NormWeights {
  scale: Tensor;
  offset: Tensor;
  epsilon: number;
}

/** What the way back needs of a layer norm: the normalised rows `[N, d]` and their inverse deviations `[N, 1]`. */
export interface NormTrace {
  normalised: Tensor;
  inverseDeviation: Tensor;
}

/** Layer normalisation (Ba et al. 2016) of each row of `x`. // [N, d] → [N, d] */
export function layerNorm(ops: Ops, x: Tensor, weights: NormWeights): { value: Tensor; trace: NormTrace } {
  const centred = ops.sub(x, ops.meanOfLast(x)); // [N, d]
  const variance = ops.meanOfLast(ops.square(centred)); // [N, 1]
  const inverseDeviation = ops.rsqrt(ops.add(variance, ops.scalar(weights.epsilon))); // [N, 1]
  const normalised = ops.mul(centred, inverseDeviation); // [N, d]
  const value = ops.add(ops.mul(normalised, weights.scale), weights.offset); // [N, d]
  return { value, trace: { normalised, inverseDeviation } };
}

/** Gradient by the rows that went into the layer norm, from the gradient by those that came out. // [N, d] → [N, d] */
export function layerNormGradient(ops: Ops, gradient: Tensor, weights: NormWeights, trace: NormTrace): Tensor {
  const byNormalised = ops.mul(gradient, weights.scale); // [N, d]
  const mean = ops.meanOfLast(byNormalised); // [N, 1]
  const projection = ops.meanOfLast(ops.mul(byNormalised, trace.normalised)); // [N, 1]
  const centred = ops.sub(ops.sub(byNormalised, mean), ops.mul(trace.normalised, projection)); // [N, d]
  return ops.mul(centred, trace.inverseDeviation); // [N, d]
}

/** Gradients by the layer norm's own parameters, from the gradient by the rows that came out. // [N, d] → [d] each */
export const layerNormWeightGradients = (ops: Ops, gradient: Tensor, trace: NormTrace) => ({
  scale: ops.sum(ops.mul(gradient, trace.normalised), [0]),
  offset: ops.sum(gradient, [0]),
});
