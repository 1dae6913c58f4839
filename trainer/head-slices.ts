import { tunedParts, tunedSlices } from '../delta/slices';
import type { PerHead } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import type { Tune } from '../heads/tune';
import type { TensorPart } from '../model/architecture';
import type { Checkpoint } from '../model/checkpoint';
import type { Range } from '../model/operations';
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
 * Computes a number for each head from the places of its trained numbers.
 *
 * @param layout of a training of all heads with this `tune`
 * @param number receives ranges of the trained vector, in the order of the head's slices: W_Q, W_K,
 *   W_V, with their biases, W_O. Heads that share rows have ranges in common.
 * @returns [L][H]
 */
export function byHead(
  { config }: Pick<Checkpoint, 'config'>,
  { layout, tune }: { layout: ParameterLayout; tune: Tune },
  number: (places: readonly Range[]) => number,
): PerHead {
  const slots = new Map(layout.slots.map((slot) => [slot.name, slot]));
  const slices = new Map(tunedSlices(config, allHeads({ config }, tune)).map((slice) => [slice.canonical, slice]));
  const placesOf = ({ tensor, ranges }: TensorPart): Range[] => {
    const slot = slots.get(tensor)!;
    const { indices } = slices.get(tensor)!;
    const row = slot.size / indices.length;
    return ranges.map(([from, to]) => {
      const first = slot.offset + indices.indexOf(from) * row; // rows of a range are neighbours
      return [first, first + (to - from) * row];
    });
  };
  return Array.from({ length: config.layers }, (_, layer) =>
    Array.from({ length: config.heads }, (_, head) =>
      number(tunedParts(config, tune, { layer, head }).flatMap(placesOf)),
    ),
  );
}

/**
 * A sum over the trained numbers that each head owns; see {@link byHead}.
 *
 * @param term summand, by a number's place in the trained vector // 0 … P − 1
 * @returns [L][H]
 */
export const sumsByHead = (
  checkpoint: Pick<Checkpoint, 'config'>,
  training: { layout: ParameterLayout; tune: Tune },
  term: (at: number) => number,
): PerHead =>
  byHead(checkpoint, training, (places) => {
    let sum = 0;
    for (const [from, to] of places) for (let at = from; at < to; at++) sum += term(at);
    return sum;
  });
