import type { Delta, DeltaTensor } from '../delta/delta';
import { outputsOf, taskHeadKindOf } from '../delta/delta-info';
import { type Slice, takeSlice, tunedSlices } from '../delta/slices';
import type { Readout, TaskHeadKind } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { blocksOf } from '../model/given-weights';
import type { TunedInputs } from '../model/tuned-arithmetic';

/** Tuned heads of one dense layer, as its graph takes them. */
export interface TunedHeads {
  /** Rows [P, h·dh, width/P], columns [h·dh, width]. */
  weights: Float32Array;
  /** [h·dh] */
  biases?: Float32Array;
  /** Heads, ascending. // [h] */
  places: Int32Array;
}

/** Tensor of a task head, as its graph takes it. */
export interface HeadTensor {
  /** [P, out, into/P] of a matrix; [1, out] of other tensors. */
  shape: readonly [blocks: number, out: number, across?: number];
  values: Float32Array;
}

/** Values by which one classifier differs from its base; they are inputs of the base's graphs. */
export interface ServedDelta {
  /** First layer in which it differs from the base; L if it differs in the task head alone. */
  lowest: number;
  reads: Readout;
  kind: TaskHeadKind;
  /** C. */
  outputs: number;
  /** Tensors of the task head by name. */
  taskHead: ReadonlyMap<string, HeadTensor>;
  /** Size in bytes. */
  bytes: number;
  /** Memory of its large tensors. */
  memory: readonly Float32Array[];
  /** Its tuned heads of a dense layer; undefined for none. */
  heads(inputs: TunedInputs): TunedHeads | undefined;
}

/** Gives memory of this many numbers, with any values. */
type NewNumbers = (count: number) => Float32Array;

/** Tensors of a task head by name, as a delta or checkpoint stores them. */
type StoredHead = ReadonlyMap<string, DeltaTensor>;

/**
 * Prepares a delta that tunes heads.
 *
 * @param layerInputs inputs of each layer's graph
 * @param numbers gives memory of this many numbers; the delta's own tensors are copied
 * @returns undefined if it tunes more than the graphs have inputs for
 */
export function servedDelta(
  checkpoint: Checkpoint,
  { info, tensors }: Delta,
  layerInputs: readonly (readonly TunedInputs[])[],
  numbers: NewNumbers,
): ServedDelta | undefined {
  const { config } = checkpoint;
  const slices = tunedSlices(config, info.mask, info.parts);
  const servable = new Set(layerInputs.flat().flatMap(({ module }) => [`${module}.weight`, `${module}.bias`]));
  if (slices.some(({ canonical }) => !servable.has(canonical))) return undefined;

  const tensorOf = (canonical: string) => tensors.get(checkpoint.storedName(canonical) ?? canonical)!;
  const byName = new Map(slices.map((slice) => [slice.canonical, slice]));
  const made = new Map<string, TunedHeads>();
  let lowest = layerInputs.length;
  for (const [layer, all] of layerInputs.entries()) {
    for (const inputs of all) {
      const slice = byName.get(`${inputs.module}.weight`);
      const within = slice && partOf(slice, inputs);
      if (!within) continue;
      const places = wholeHeads(within.places, config.headDim);
      if (!places) return undefined;
      const bias = byName.get(`${inputs.module}.bias`);
      const own = { weights: tensorOf(slice.canonical).values, biases: bias && tensorOf(bias.canonical).values };
      made.set(inputs.weights, { ...headsOf(checkpoint, inputs, within, own, numbers), places });
      lowest = Math.min(lowest, layer);
    }
  }
  const kind = taskHeadKindOf(info);
  const names = architectureOf(config).taskHead(config, kind).tensors(config, outputsOf(info));
  const stored = new Map(names.map(({ name }) => [name, tensorOf(name)]));
  const bytes = [...tensors.values()].reduce((sum, { values }) => sum + values.byteLength, 0);
  const head = untuned(config, kind, stored, numbers);
  const memory = [...head.memory, ...[...made.values()].map(({ weights }) => weights)];
  return { ...head, lowest, bytes, memory, heads: headsIn(made) };
}

/** Made here, since a closure of its caller would keep the delta's own tensors in memory. */
const headsIn =
  (made: ReadonlyMap<string, TunedHeads>): ServedDelta['heads'] =>
  ({ weights }) =>
    made.get(weights);

/** A task head on a model that nothing else is tuned in. */
export function untuned(config: ModelConfig, kind: TaskHeadKind, stored: StoredHead, numbers: NewNumbers): ServedDelta {
  const { reads, output } = architectureOf(config).taskHead(config, kind);
  const [outputs] = stored.get(`${output}.weight`)!.shape;
  const taskHead = new Map([...stored].map(([name, tensor]) => [name, asInput(tensor, numbers)]));
  const memory = [...taskHead.values()].map(({ values }) => values);
  const bytes = memory.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return { lowest: config.layers, reads, kind, outputs, taskHead, bytes, memory, heads: () => undefined };
}

function asInput({ shape: [out, into], values }: DeltaTensor, numbers: NewNumbers): HeadTensor {
  const blocks = into === undefined ? 1 : blocksOf(into);
  const shape = into === undefined ? ([1, out] as const) : ([blocks, out, into / blocks] as const);
  return { shape, values: inBlocks(values, out, blocks, numbers) };
}

/** Cuts each row in blocks. // [rows, width] → [P, rows, width/P] */
function inBlocks(values: Float32Array, rows: number, blocks: number, numbers: NewNumbers): Float32Array {
  const cut = numbers(values.length);
  const size = values.length / (rows * blocks);
  for (let from = 0, row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++, from += size) {
      cut.set(values.subarray(from, from + size), (block * rows + row) * size);
    }
  }
  return cut;
}

/** Tuned features of a module that a dense layer of it has. */
interface TunedPart {
  /** First and last + 1 in the slice. */
  from: number;
  to: number;
  /** Places along the layer's axis, ascending. */
  places: Int32Array;
}

function partOf({ indices }: Slice, { axis, features }: TunedInputs): TunedPart | undefined {
  const [first, end] = axis === 'rows' ? features : [0, Number.POSITIVE_INFINITY];
  const from = indices.findIndex((index) => index >= first && index < end);
  if (from < 0) return undefined;
  const to = indices.findLastIndex((index) => index < end) + 1;
  return { from, to, places: indices.slice(from, to).map((index) => index - first) };
}

/** Heads that own these features; undefined if they own others too. */
function wholeHeads(features: Int32Array, headDim: number): Int32Array | undefined {
  const heads = features.filter((_, i) => i % headDim === 0).map((feature) => feature / headDim);
  const isWhole = features.every((feature, i) => feature === heads[Math.floor(i / headDim)] * headDim + (i % headDim));
  return isWhole && features.length % headDim === 0 ? heads : undefined;
}

/** Rows as the delta has them; columns as differences from the base's. */
function headsOf(
  checkpoint: Checkpoint,
  { module, axis, width, features: [first], biases }: TunedInputs,
  { from, to, places }: TunedPart,
  tuned: { weights: Float32Array; biases?: Float32Array },
  numbers: NewNumbers,
): Omit<TunedHeads, 'places'> {
  const weights = tuned.weights.subarray(from * width, to * width); // [r, width]
  if (axis === 'columns') {
    const whole = checkpoint.tensor(`${module}.weight`);
    const base = takeSlice(whole, [width, whole.length / width], { axis, indices: places });
    const differences = numbers(weights.length);
    for (const [i, value] of weights.entries()) differences[i] = value - base[i];
    return { weights: differences };
  }
  const rows = { weights: inBlocks(weights, to - from, blocksOf(width), numbers) };
  if (biases === undefined) return rows;
  if (tuned.biases) return { ...rows, biases: tuned.biases.slice(from, to) };
  const whole = checkpoint.tensor(`${module}.bias`);
  return { ...rows, biases: Float32Array.from(places, (place) => whole[first + place]) };
}
