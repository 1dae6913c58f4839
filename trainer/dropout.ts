import type { DropoutSite } from '../model/operations';
import type { Ops, Tensor } from './ops';

/**
 * Site of a dropout, part of the key of its random numbers. A layer has four sites, and two more
 * far behind those of all layers; so are the sites of the embeddings (layer 0) and of the task
 * head's input (after all layers).
 */
export const DROPOUT_SITES = {
  attention: 0,
  attentionOutput: 1,
  output: 2,
  pooled: 3,
  headInput: 2 ** 30,
  embeddings: 2 ** 30 + 1,
  distances: 2 ** 29,
  convolution: 2 ** 29 + 1,
} as const satisfies Record<DropoutSite, number>;

/**
 * Key of the dropouts in one micro-batch of a step: the graph's input of that name. // int32 [1]
 */
export const dropoutKey = (seed: number, step: number, microBatch: number) =>
  Int32Array.of(scramble(seed) + step + Math.imul(microBatch, 0x9e3779b9));

/**
 * Dropouts of a step. Every mask is a pure function of (seed, step, micro-batch, layer, site)
 * (docs/method.md).
 */
export class Dropout {
  /** @param key int32 [1], from {@link dropoutKey} */
  constructor(private readonly key: Tensor) {}

  /**
   * Returns factors in the shape of `x` that drop `rate` of the entries and preserve the
   * expectation: 0 or `1/(1 − rate)`; undefined for rate 0.
   *
   * @param rate share to drop, 0 ≤ rate < 1
   */
  factors(ops: Ops, x: Tensor, rate: number, layer: number, site: DropoutSite): Tensor | undefined {
    if (rate === 0) return undefined;
    const uniform = ops.uniformLike(x, [this.key, layer * 4 + DROPOUT_SITES[site]]);
    const kept = ops.floor(ops.add(uniform, ops.scalar(1 - rate)));
    return ops.scale(kept, 1 / (1 - rate));
  }
}

/** Spreads neighbouring seeds over all 32 bits (the finaliser of MurmurHash3). */
function scramble(seed: number): number {
  let h = (seed ^ 0x9e3779b9) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
