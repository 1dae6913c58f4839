import type { Delta } from '../delta/delta';
import { outputsOf, taskHeadKindOf } from '../delta/delta-info';
import { type Slice, takeSlice, tunedSlices } from '../delta/slices';
import type { Readout, TaskHeadKind } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import { transposed } from '../model/arithmetic';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import type { LayerInputs } from '../model/serving-graphs';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { NeuronInputs } from '../model/tuned-neurons';
import { type ServedNeurons, servedNeurons } from './served-neurons';

/** Tuned heads of one dense layer, as its graph takes them. */
export interface TunedHeads {
  /** Rows [width, h·dh], columns [h·dh, width]. */
  weights: Float32Array;
  /** [h·dh] */
  biases?: Float32Array;
  /** Heads, ascending. // [h] */
  places: Int32Array;
}

/** Tensor of a task head, as its graph takes it: matrices are transposed. */
export interface HeadTensor {
  shape: number[];
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
  /** Tensors of the task head by name, for at least two logits. */
  taskHead: ReadonlyMap<string, HeadTensor>;
  /** Size in bytes. */
  bytes: number;
  /** Its tuned heads of a dense layer; undefined for none. */
  heads(inputs: TunedInputs): TunedHeads | undefined;
  /** Its tuned neurons of a layer; undefined for none. */
  neurons(inputs: NeuronInputs): ServedNeurons | undefined;
}

/** Tensors of a task head by name, as a delta or checkpoint stores them. */
type StoredHead = ReadonlyMap<string, HeadTensor>;

/**
 * Prepares a delta that tunes heads or neurons.
 *
 * @param layerInputs inputs of each layer's graph
 * @returns undefined if it tunes more than the graphs have inputs for
 */
export function servedDelta(
  checkpoint: Checkpoint,
  { info, tensors }: Delta,
  layerInputs: readonly LayerInputs[],
): ServedDelta | undefined {
  const { config } = checkpoint;
  const slices = tunedSlices(config, info.mask, info.parts);
  const modules = layerInputs.flatMap(({ heads, neurons: { rows } }) => [...heads, ...rows]);
  const columns = layerInputs.map(({ neurons }) => `${neurons.columns.module}.weight`);
  const rows = modules.flatMap(({ module }) => [`${module}.weight`, `${module}.bias`]);
  const servable = new Set([...columns, ...rows]);
  if (slices.some(({ canonical }) => !servable.has(canonical))) return undefined;

  const tensorOf = (canonical: string) => tensors.get(checkpoint.storedName(canonical) ?? canonical)!;
  const byName = new Map(slices.map((slice) => [slice.canonical, slice]));
  const made = new Map<string, TunedHeads>();
  const madeNeurons = new Map<string, ServedNeurons>();
  let lowest = layerInputs.length;
  for (const [layer, { heads, neurons }] of layerInputs.entries()) {
    const slice = byName.get(`${neurons.columns.module}.weight`);
    if (slice) {
      const valuesOf = (canonical: string) => tensorOf(canonical).values;
      const served = servedNeurons(checkpoint, neurons, byName, valuesOf);
      if (!served) return undefined;
      madeNeurons.set(neurons.any, served);
      lowest = Math.min(lowest, layer);
    }
    for (const inputs of heads) {
      const slice = byName.get(`${inputs.module}.weight`);
      const within = slice && partOf(slice, inputs);
      if (!within) continue;
      const places = wholeHeads(within.places, config.headDim);
      if (!places) return undefined;
      const bias = byName.get(`${inputs.module}.bias`);
      const own = { weights: tensorOf(slice.canonical).values, biases: bias && tensorOf(bias.canonical).values };
      made.set(inputs.weights, { ...headsOf(checkpoint, inputs, within, own), places });
      lowest = Math.min(lowest, layer);
    }
  }
  const kind = taskHeadKindOf(info);
  const names = architectureOf(config).taskHead(config, kind).tensors(config, outputsOf(info));
  const stored = new Map(names.map(({ name }) => [name, tensorOf(name)]));
  const bytes = [...tensors.values()].reduce((sum, { values }) => sum + values.byteLength, 0);
  return { ...untuned(config, kind, stored), lowest, bytes, ...valuesIn(made, madeNeurons) };
}

/** Made here, since closures of its caller would keep the delta's own tensors in memory. */
const valuesIn = (
  heads: ReadonlyMap<string, TunedHeads>,
  neurons: ReadonlyMap<string, ServedNeurons>,
): Pick<ServedDelta, 'heads' | 'neurons'> => ({
  heads: ({ weights }) => heads.get(weights),
  neurons: ({ any }) => neurons.get(any),
});

/** A task head on a model that nothing else is tuned in. */
export function untuned(config: ModelConfig, kind: TaskHeadKind, stored: StoredHead): ServedDelta {
  const { reads, output } = architectureOf(config).taskHead(config, kind);
  const [outputs] = stored.get(`${output}.weight`)!.shape;
  const taskHead = new Map(
    [...stored].map(([name, tensor]) => [name, asInput(name.startsWith(`${output}.`) ? ofTwo(tensor) : tensor)]),
  );
  const bytes = [...taskHead.values()].reduce((sum, { values }) => sum + values.byteLength, 0);
  return { lowest: config.layers, reads, kind, outputs, taskHead, bytes, ...valuesIn(new Map(), new Map()) };
}

/**
 * Adds a row of zeros to a single one: a product with one column takes another kernel in
 * onnxruntime, whose bits depend on the number of rows.
 */
function ofTwo({ shape: [rows, ...across], values }: HeadTensor): HeadTensor {
  if (rows > 1) return { shape: [rows, ...across], values };
  const two = new Float32Array(2 * values.length);
  two.set(values);
  return { shape: [2, ...across], values: two };
}

function asInput({ shape, values }: HeadTensor): HeadTensor {
  if (shape.length !== 2) return { shape, values };
  const [rows, columns] = shape;
  return { shape: [columns, rows], values: transposed(values, rows, columns) };
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
): Omit<TunedHeads, 'places'> {
  const weights = tuned.weights.subarray(from * width, to * width); // [r, width]
  if (axis === 'columns') {
    const whole = checkpoint.tensor(`${module}.weight`);
    const base = takeSlice(whole, [width, whole.length / width], { axis, indices: places });
    return { weights: weights.map((value, i) => value - base[i]) };
  }
  const rows = { weights: transposed(weights, to - from, width) };
  if (biases === undefined) return rows;
  if (tuned.biases) return { ...rows, biases: tuned.biases.slice(from, to) };
  const whole = checkpoint.tensor(`${module}.bias`);
  return { ...rows, biases: Float32Array.from(places, (place) => whole[first + place]) };
}
