import type { Slice } from '../delta/slices';
import type { HeadSlice, ModelConfig } from '../model/architecture';
import { architectureOf } from '../model/architectures';

/** Rows or columns of a tensor. */
export interface Indices {
  axis: Slice['axis'];
  indices: ReadonlySet<number>;
}

/**
 * Rows and columns of each layer's tuned heads, by tensor, inert ones included. The engine stores
 * them behind those of the frozen heads, so that the tuned heads' part of any value is one range.
 * The order of a layer's heads changes nothing else: what a head computes does not depend on its
 * number. A layer whose heads share rows keeps its order.
 *
 * @param slices tuned parts of the base
 */
export function tunedLast(config: ModelConfig, slices: readonly Slice[]): Map<string, Indices> {
  const { headSlices } = architectureOf(config);
  const tuned = new Map(slices.map(({ canonical, indices }) => [canonical, new Set(indices)]));
  const isTuned = (head: readonly HeadSlice[]) =>
    head.some(({ tensor, ranges, inert }) => !inert && tuned.get(tensor)?.has(ranges[0][0]));
  const layers = Array.from({ length: config.layers }, (_, layer) =>
    Array.from({ length: config.heads }, (__, head) => headSlices(config, layer, head)),
  );
  const moved = layers
    .filter((heads) => countOf(heads.flat()) === sizeOf(byTensor(heads.flat())))
    .flatMap((heads) => heads.filter(isTuned).flat());
  return byTensor(moved);
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
