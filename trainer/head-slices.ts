import { tunedSlices } from '../delta/slices';
import type { PerHead } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';
import type { ParameterLayout } from './parameters';

/** A mask of every head. */
export function allHeads({ config }: Pick<Checkpoint, 'config'>): Pick<Mask, 'heads' | 'tune'> {
  const heads = Array.from({ length: config.layers * config.heads }, (_, node) => ({
    layer: Math.floor(node / config.heads),
    head: node % config.heads,
    score: 0,
  }));
  return { heads, tune: 'qkv' };
}

/**
 * A sum over the trained numbers of each head by itself: its dh rows of W_Q, W_K and W_V and of the biases of Q and V.
 *
 * @param layout of a training of all heads
 * @param term what is summed, by a number's place in the trained vector // 0 … P − 1
 * @returns [L][H]
 */
export function sumsByHead(
  { config }: Pick<Checkpoint, 'config'>,
  layout: ParameterLayout,
  term: (at: number) => number,
): PerHead {
  const { layers, heads } = config;
  const offsets = new Map(layout.slots.map(({ name, offset, size }) => [name, { offset, size }]));
  const slices = tunedSlices(config, allHeads({ config })); // in the order of the layers, as many for each
  const ofLayer = slices.length / layers;
  return Array.from({ length: layers }, (_, layer) => {
    const sums = new Array<number>(heads).fill(0);
    for (const { canonical } of slices.slice(layer * ofLayer, (layer + 1) * ofLayer)) {
      const { offset, size } = offsets.get(canonical)!;
      const block = size / heads; // a head's rows are contiguous
      for (let at = 0; at < size; at++) sums[Math.floor(at / block)] += term(offset + at);
    }
    return sums;
  });
}
