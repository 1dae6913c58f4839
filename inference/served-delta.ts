import type { Delta } from '../delta/delta';
import { outputsOf, taskHeadKindOf } from '../delta/delta-info';
import { type Slice, takeSlice, tunedSlices } from '../delta/slices';
import type { Readout, TaskHeadKind } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import { transposed } from '../model/arithmetic';
import type { Checkpoint } from '../model/checkpoint';
import type { TunedInputs } from '../model/tuned-arithmetic';

/** Tuned features of one dense layer, as its graph takes them. */
export interface TunedFeatures {
  /** [r, width] */
  weights: Float32Array;
  /** [r] */
  biases?: Float32Array;
  /** [r] */
  places: Int32Array;
}

/** Delta whose values are inputs of the base's graphs. */
export interface ServedDelta {
  /** First layer in which it differs from the base; L if it tunes the task head alone. */
  lowest: number;
  reads: Readout;
  kind: TaskHeadKind;
  /** Tensors of the task head by name; matrices are transposed. */
  taskHead: ReadonlyMap<string, { shape: number[]; values: Float32Array }>;
  /** Size in bytes. */
  bytes: number;
  /** Its tuned features of a dense layer of the given layer of the model; undefined for none. */
  features(inputs: TunedInputs): TunedFeatures | undefined;
}

/**
 * Prepares a delta that tunes heads. Rows are used as the delta has them; columns as differences.
 *
 * @param layerInputs inputs of each layer's graph
 * @returns undefined if it tunes more than the graphs have inputs for
 */
export function servedDelta(
  checkpoint: Checkpoint,
  { info, tensors }: Delta,
  layerInputs: readonly (readonly TunedInputs[])[],
): ServedDelta | undefined {
  const { config } = checkpoint;
  const slices = tunedSlices(config, info.mask, info.parts);
  const byName = new Map(slices.map((slice) => [slice.canonical, slice]));
  const servable = new Set(layerInputs.flat().flatMap(({ module }) => [`${module}.weight`, `${module}.bias`]));
  if (slices.some(({ canonical }) => !servable.has(canonical))) return undefined;

  const valuesOf = ({ canonical }: Slice) => tensors.get(checkpoint.storedName(canonical) ?? canonical)!.values;
  const featuresOf = ({
    module,
    features: [from, to],
    axis,
    width,
    biases,
  }: TunedInputs): TunedFeatures | undefined => {
    const slice = byName.get(`${module}.weight`);
    if (!slice) return undefined;
    const [first, end] = axis === 'rows' ? [from, to] : [0, Number.POSITIVE_INFINITY];
    const begin = slice.indices.findIndex((index) => index >= first && index < end);
    if (begin < 0) return undefined;
    const last = slice.indices.findLastIndex((index) => index < end) + 1;
    const indices = slice.indices.subarray(begin, last);
    const weights = valuesOf(slice).subarray(begin * width, last * width);
    const places = indices.map((index) => index - first);
    if (axis === 'columns') {
      const shape = [width, checkpoint.tensor(`${module}.weight`).length / width];
      const base = takeSlice(checkpoint.tensor(`${module}.weight`), shape, { axis, indices });
      return { weights: weights.map((value, i) => value - base[i]), places };
    }
    if (biases === undefined) return { weights, places };
    const bias = byName.get(`${module}.bias`);
    const own = bias && valuesOf(bias).subarray(begin, last);
    const base = own ?? takeSlice(checkpoint.tensor(`${module}.bias`), [], { axis, indices });
    return { weights, places, biases: base };
  };

  const made = new Map<string, TunedFeatures | undefined>();
  let lowest = layerInputs.length;
  for (const [layer, all] of layerInputs.entries()) {
    for (const inputs of all) {
      const features = featuresOf(inputs);
      made.set(inputs.weights, features);
      if (features) lowest = Math.min(lowest, layer);
    }
  }
  const kind = taskHeadKindOf(info);
  const { reads, tensors: headTensors } = architectureOf(config).taskHead(config, kind);
  const taskHead = new Map(
    headTensors(config, outputsOf(info)).map(({ name, shape }) => {
      const { values } = tensors.get(checkpoint.storedName(name) ?? name)!;
      const [rows, columns] = shape;
      const isMatrix = shape.length === 2;
      return [
        name,
        { shape: isMatrix ? [columns, rows] : shape, values: isMatrix ? transposed(values, rows, columns) : values },
      ];
    }),
  );
  const bytes = [...tensors.values()].reduce((sum, { values }) => sum + values.byteLength, 0);
  return { lowest, reads, kind, taskHead, bytes, features: ({ weights }) => made.get(weights) };
}
