import * as ort from 'onnxruntime-node';
import type { LayerInputs } from '../model/serving-graphs';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { NeuronInputs } from '../model/tuned-neurons';
import type { ServedDelta, TunedHeads } from './served-delta';

/** Inputs of a graph by name. */
export type Feeds = Record<string, ort.Tensor>;

/**
 * Inputs of a layer's graph for some deltas, each padded to as many heads and neurons as the
 * longest. They share memory with a delta that is alone.
 */
export function feedsOf(
  { heads, neurons }: LayerInputs,
  deltas: readonly (ServedDelta | undefined)[],
  headDim: number,
): Feeds {
  const ofHeads = heads.map((inputs) => feedsOfOne(inputs, deltas, headDim));
  return Object.assign(neuronFeeds(neurons, deltas), ...ofHeads);
}

/** Inputs of tuned neurons, those of each delta padded with zeros to as many as the longest. */
function neuronFeeds(inputs: NeuronInputs, deltas: readonly (ServedDelta | undefined)[]): Feeds {
  const all = deltas.map((delta) => delta?.neurons(inputs));
  const D = all.length;
  const r = Math.max(2, ...all.map((each) => each?.count ?? 0));
  const tensor = (parts: Float32Array[], ...shape: [number, number]) =>
    new ort.Tensor('float32', joined(parts, shape[0] * shape[1]), [D, ...shape]);
  const none = new Float32Array(0);
  const { columns, any } = inputs;
  const feeds: Feeds = {
    [any]: new ort.Tensor('bool', Uint8Array.of(Number(all.some((each) => each !== undefined))), [1]),
    [columns.weights]: tensor(
      all.map((each) => each?.columns ?? none),
      r,
      columns.width,
    ),
  };
  for (const [i, { weights, biases, width }] of inputs.rows.entries()) {
    const rows = all.map((each) => (each ? paddedRows(each.rows[i].weights, width, each.count, r) : none));
    feeds[weights] = tensor(rows, width, r);
    if (biases) {
      feeds[biases] = tensor(
        all.map((each) => each?.rows[i].biases ?? none),
        1,
        r,
      );
    }
  }
  return feeds;
}

function feedsOfOne(inputs: TunedInputs, deltas: readonly (ServedDelta | undefined)[], headDim: number): Feeds {
  const { heads: H, width, axis } = inputs;
  const all = deltas.map((delta) => delta?.heads(inputs) ?? none(inputs, headDim));
  const h = Math.max(...all.map(({ places }) => places.length));
  const [D, r] = [all.length, h * headDim];
  const places = new BigInt64Array(D * h).fill(BigInt(H));
  const isTuned = new Uint8Array(D * H);
  for (const [i, each] of all.entries()) {
    for (const [j, place] of each.places.entries()) {
      places[i * h + j] = BigInt(place);
      if (place < H) isTuned[i * H + place] = 1;
    }
  }
  const isRows = axis === 'rows';
  const weights = all.map((each) =>
    isRows ? paddedRows(each.weights, width, each.places.length * headDim, r) : each.weights,
  );
  const biases = all.map((each) => each.biases ?? new Float32Array(0));
  return {
    [inputs.any]: new ort.Tensor('bool', Uint8Array.of(Number(isTuned.includes(1))), [1]),
    [inputs.places]: new ort.Tensor('int64', places, [D, h]),
    [inputs.weights]: new ort.Tensor('float32', joined(weights, r * width), isRows ? [D, width, r] : [D, r, width]),
    ...(inputs.tuned && { [inputs.tuned]: new ort.Tensor('bool', isTuned, [D, 1, H, 1]) }),
    ...(inputs.biases && { [inputs.biases]: new ort.Tensor('float32', joined(biases, r), [D, 1, r]) }),
  };
}

/** Stands for a delta without tuned heads in a layer: a head of zeros, without a place. */
const none = ({ width, heads }: TunedInputs, headDim: number): TunedHeads => ({
  weights: new Float32Array(width * headDim),
  places: Int32Array.of(heads),
});

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
