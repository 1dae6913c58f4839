import { tunedParts, tunedSlices } from '../delta/slices';
import type { PerHead } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import type { Tune } from '../heads/tune';
import type { Checkpoint } from '../model/checkpoint';
import type { ParameterLayout } from './parameters';

/** A mask of every head. */
export function allHeads({ config }: Pick<Checkpoint, 'config'>, tune: Tune): Pick<Mask, 'heads' | 'tune'> {
  const heads = Array.from({ length: config.layers * config.heads }, (_, node) => ({
    layer: Math.floor(node / config.heads),
    head: node % config.heads,
    score: 0,
  }));
  return { heads, tune };
}

/**
 * A sum over the trained numbers that each head owns. A number that several heads share counts for
 * each of them.
 *
 * @param layout of a training of all heads with this `tune`
 * @param term summand, by a number's place in the trained vector // 0 … P − 1
 * @returns [L][H]
 */
export function sumsByHead(
  { config }: Pick<Checkpoint, 'config'>,
  { layout, tune }: { layout: ParameterLayout; tune: Tune },
  term: (at: number) => number,
): PerHead {
  const { layers, heads } = config;
  const slots = new Map(layout.slots.map((slot) => [slot.name, slot]));
  const slices = new Map(tunedSlices(config, allHeads({ config }, tune)).map((slice) => [slice.canonical, slice]));
  return Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: heads }, (_, head) => {
      let sum = 0;
      for (const { tensor, ranges } of tunedParts(config, tune, { layer, head })) {
        const slot = slots.get(tensor)!;
        const { indices } = slices.get(tensor)!;
        const row = slot.size / indices.length;
        for (const [from, to] of ranges) {
          const first = slot.offset + indices.indexOf(from) * row; // rows of a range are neighbours
          for (let at = first; at < first + (to - from) * row; at++) sum += term(at);
        }
      }
      return sum;
    }),
  );
}
