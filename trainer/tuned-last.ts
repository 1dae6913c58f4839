import type { Slice } from '../delta/slices';
import type { HeadSlice, ModelConfig } from '../model/architecture';
import { architectureOf } from '../model/architectures';

/** Rows or columns of a tensor. */
export interface Indices {
  axis: Slice['axis'];
  indices: ReadonlySet<number>;
}

/** Order in which the engine stores the heads of each layer. */
export interface HeadOrder {
  /** Rows and columns that come last, by tensor: those of tuned heads, inert ones included. */
  last: ReadonlyMap<string, Indices>;
  /** Heads of each layer in that order. */
  heads: readonly (readonly number[])[];
}

/**
 * Puts each layer's tuned heads behind the frozen ones, so that the tuned heads' part of any value
 * is one range. What a head computes does not depend on its place in the order. A layer whose heads
 * share rows keeps its order.
 *
 * @param slices tuned parts of the base
 */
export function tunedLast(config: ModelConfig, slices: readonly Slice[]): HeadOrder {
  const { headSlices } = architectureOf(config);
  const tuned = new Map(slices.map(({ canonical, indices }) => [canonical, new Set(indices)]));
  const isTuned = ({ owned }: { owned: readonly HeadSlice[] }) =>
    owned.some(({ tensor, ranges, inert }) => !inert && tuned.get(tensor)?.has(ranges[0][0]));
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const all = Array.from({ length: config.heads }, (__, head) => ({ head, owned: headSlices(config, layer, head) }));
    const slicesOfAll = all.flatMap(({ owned }) => owned);
    const isShared = countOf(slicesOfAll) > sizeOf(byTensor(slicesOfAll));
    const moved = isShared ? [] : all.filter(isTuned);
    return { all, moved };
  });
  return {
    last: byTensor(layers.flatMap(({ moved }) => moved.flatMap(({ owned }) => owned))),
    heads: layers.map(({ all, moved }) =>
      [...all.filter((each) => !moved.includes(each)), ...moved].map(({ head }) => head),
    ),
  };
}

function byTensor(slices: readonly HeadSlice[]): Map<string, Indices & { indices: Set<number> }> {
  const found = new Map<string, Indices & { indices: Set<number> }>();
  for (const { tensor, axis, ranges } of slices) {
    const { indices } = found.get(tensor) ?? { indices: new Set<number>() };
    for (const [from, to] of ranges) for (let index = from; index < to; index++) indices.add(index);
    found.set(tensor, { axis, indices });
  }
  return found;
}

const sizeOf = (tensors: ReadonlyMap<string, Indices>) =>
  [...tensors.values()].reduce((sum, { indices }) => sum + indices.size, 0);

const countOf = (slices: readonly HeadSlice[]) =>
  slices.flatMap(({ ranges }) => ranges).reduce((sum, [from, to]) => sum + to - from, 0);
