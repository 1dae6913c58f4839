import * as ort from 'onnxruntime-node';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { ServedDelta, TunedFeatures } from './served-delta';

/** Inputs of a graph by name. */
export type Feeds = Record<string, ort.Tensor>;

/** Stands for a delta without tuned features in a layer: one feature of zeros, without a place. */
const none = ({ width, size }: TunedInputs): TunedFeatures => ({
  weights: new Float32Array(width),
  biases: new Float32Array(1),
  places: Int32Array.of(size),
});

/**
 * Inputs of a layer's graph for some deltas, each padded to as many features as the longest. They
 * share memory with a delta that is alone.
 */
export function feedsOf(tuned: readonly TunedInputs[], deltas: readonly (ServedDelta | undefined)[]): Feeds {
  return Object.assign({}, ...tuned.map((inputs) => feedsOfOne(inputs, deltas)));
}

function feedsOfOne(inputs: TunedInputs, deltas: readonly (ServedDelta | undefined)[]): Feeds {
  const { size, width, axis } = inputs;
  const all = deltas.map((delta) => delta?.features(inputs) ?? none(inputs));
  const r = Math.max(...all.map(({ places }) => places.length));
  const D = all.length;
  const places = new BigInt64Array(D * r).fill(BigInt(size));
  const isTuned = new Uint8Array(D * size);
  for (const [i, each] of all.entries()) {
    for (const [j, place] of each.places.entries()) {
      places[i * r + j] = BigInt(place);
      if (place < size) isTuned[i * size + place] = 1;
    }
  }
  const isRows = axis === 'rows';
  const weights = joined(
    all.map(({ weights, places }) => (isRows ? paddedRows(weights, width, places.length, r) : weights)),
    r * width,
  );
  return {
    [inputs.places]: new ort.Tensor('int64', places, [D, r]),
    [inputs.weights]: new ort.Tensor('float32', weights, isRows ? [D, width, r] : [D, r, width]),
    ...(inputs.tuned && { [inputs.tuned]: new ort.Tensor('bool', isTuned, [D, 1, size]) }),
    ...(inputs.biases && {
      [inputs.biases]: new ort.Tensor(
        'float32',
        joined(
          all.map(({ biases }) => biases!),
          r,
        ),
        [D, 1, r],
      ),
    }),
  };
}

/** Pads each row with zeros. // [rows, from] → [rows, to] */
function paddedRows(values: Float32Array, rows: number, from: number, to: number): Float32Array {
  if (from === to) return values;
  const padded = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) padded.set(values.subarray(row * from, (row + 1) * from), row * to);
  return padded;
}

/** Parts one after the other, each padded with zeros to `size` numbers. */
function joined(parts: readonly Float32Array[], size: number): Float32Array {
  if (parts.length === 1 && parts[0].length === size) return parts[0];
  const all = new Float32Array(parts.length * size);
  for (const [i, part] of parts.entries()) all.set(part, i * size);
  return all;
}
