import { randomStream } from '../data/random';
import type { PerHead } from './head-report';
import type { MaskHead } from './mask';
import { byScore } from './score-order';

/** Place of a head; both numbers count from 0. */
export type HeadPlace = Pick<MaskHead, 'layer' | 'head'>;

/** Groups of heads. Each has as many heads of a layer as are tuned there, and no head is in two. */
export interface HeadGroups {
  tuned: HeadPlace[];
  /** Seeded draws of other heads; none if a layer has fewer others than tuned heads. */
  drawn: HeadPlace[][];
  /** Other heads with the lowest scores; undefined without scores or without enough others. */
  last?: HeadPlace[];
}

/**
 * Groups the heads of a model beside the tuned ones.
 *
 * @param heads H
 * @param draws number of draws
 * @param scores a ranking of all heads // [L][H]
 */
export function headGroups(
  tuned: readonly HeadPlace[],
  heads: number,
  { draws, seed, scores }: { draws: number; seed: number; scores?: PerHead },
): HeadGroups {
  const layers = [...new Set(tuned.map(({ layer }) => layer))].map((layer) => {
    const chosen = new Set(tuned.filter((each) => each.layer === layer).map(({ head }) => head));
    const others = Array.from({ length: heads }, (_, head) => head).filter((head) => !chosen.has(head));
    return { layer, count: chosen.size, others };
  });
  const group = (pick: (of: (typeof layers)[number]) => readonly number[]): HeadPlace[] =>
    layers.flatMap((of) =>
      pick(of)
        .toSorted((a, b) => a - b)
        .map((head) => ({ layer: of.layer, head })),
    );
  const own = tuned.map(({ layer, head }) => ({ layer, head }));
  if (layers.some(({ count, others }) => others.length < count)) return { tuned: own, drawn: [] };
  const drawn = Array.from({ length: draws }, (_, draw) => {
    const random = randomStream(seed, `ablation/${draw}`);
    return group(({ others, count }) => Array.from(random.sample(others.length, count), (at) => others[at]));
  });
  const lowest = (layer: number, others: readonly number[]) =>
    byScore(
      others.map((head) => scores![layer][head]),
      { lowestFirst: true },
    ).map((at) => others[at]);
  const last = scores && group(({ layer, others, count }) => lowest(layer, others).slice(0, count));
  return { tuned: own, drawn, ...(last && { last }) };
}
