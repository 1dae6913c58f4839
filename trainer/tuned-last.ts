import type { Slice } from '../delta/slices';
import type { HeadSlice, ModelConfig, TensorPart } from '../model/architecture';
import { architectureOf } from '../model/architectures';

/** Rows or columns of a tensor. */
export interface Indices {
  axis: Slice['axis'];
  indices: ReadonlySet<number>;
}

/** Order in which the engine stores the heads and neurons of each layer. */
export interface EngineOrder {
  /**
   * Rows and columns that come last, by tensor: those of tuned heads and neurons, inert ones too.
   */
  last: ReadonlyMap<string, Indices>;
  /** Heads of each layer in that order. */
  heads: readonly (readonly number[])[];
}

/**
 * Puts each layer's tuned heads behind the frozen ones, and its tuned neurons likewise, so that the
 * tuned part of any value is one range. What a head or neuron computes does not depend on its place
 * in the order. A layer whose heads share rows keeps their order.
 *
 * @param slices tuned parts of the base
 */
export function tunedLast(config: ModelConfig, slices: readonly Slice[]): EngineOrder {
  const tuned = new Map(
    slices.map(({ canonical, ...slice }) => [canonical, { ...slice, set: new Set(slice.indices) }]),
  );
  const isTuned = ({ tensor, axis, ranges }: TensorPart) => {
    const slice = tuned.get(tensor);
    return slice?.axis === axis && slice.set.has(ranges[0][0]);
  };
  const all = Array.from({ length: config.layers }, (_, layer) => layer);
  const heads = all.map((layer) => movedHeads(config, layer, isTuned));
  const neurons = all.flatMap((layer) => movedNeurons(config, layer, tuned, isTuned));
  return {
    last: byTensor([...heads.flatMap(({ owned }) => owned), ...neurons]),
    heads: heads.map(({ order }) => order),
  };
}

/** Order of a layer's heads, and all that the moved ones own. */
function movedHeads(config: ModelConfig, layer: number, isTuned: (part: TensorPart) => boolean) {
  const { headSlices } = architectureOf(config);
  const heads = Array.from({ length: config.heads }, (_, head) => ({ head, owned: headSlices(config, layer, head) }));
  const ofAll = heads.flatMap(({ owned }) => owned);
  const isShared = countOf(ofAll) > sizeOf(byTensor(ofAll));
  const hasTuned = ({ owned }: { owned: readonly HeadSlice[] }) =>
    owned.some(({ inert, ...part }) => !inert && isTuned(part));
  const moved = isShared ? [] : heads.filter(hasTuned);
  const order = [...heads.filter((each) => !moved.includes(each)), ...moved];
  return { order: order.map(({ head }) => head), owned: moved.flatMap(({ owned }) => owned) };
}

/** All that a layer's moved neurons own. A neuron is tuned if all of it is. */
function movedNeurons(
  config: ModelConfig,
  layer: number,
  tuned: ReadonlyMap<string, unknown>,
  isTuned: (part: TensorPart) => boolean,
): TensorPart[] {
  const { neuronSlices } = architectureOf(config);
  if (!neuronSlices(config, layer, 0).every(({ tensor }) => tuned.has(tensor))) return [];
  const neurons = Array.from({ length: config.intermediateSize }, (_, neuron) => neuronSlices(config, layer, neuron));
  return neurons.filter((owned) => owned.every(isTuned)).flat();
}

function byTensor(slices: readonly TensorPart[]): Map<string, Indices & { indices: Set<number> }> {
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

const countOf = (slices: readonly TensorPart[]) =>
  slices.flatMap(({ ranges }) => ranges).reduce((sum, [from, to]) => sum + to - from, 0);
