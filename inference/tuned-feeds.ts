import * as ort from 'onnxruntime-node';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { Of } from './layouts';
import type { TunedHeads } from './served-delta';

/** Inputs of a graph by name. */
export type Feeds = Record<string, ort.Tensor>;

/** Stands for the base where a delta is a key. */
const BASE = {};

/** Inputs of the layers' tuned parts, cached: the same deltas often come again. */
export class TunedFeeds {
  /** Inputs of each delta, or of the base, by itself, layer by layer. They share its memory. */
  private readonly single = new WeakMap<object, Feeds[]>();
  /** Inputs of the last deltas that ran together, layer by layer. */
  private readonly together: { of: readonly Of[]; feeds: Feeds }[] = [];

  constructor(
    private readonly inputs: readonly (readonly TunedInputs[])[],
    private readonly headDim: number,
  ) {}

  /** Inputs of a layer for some deltas, each padded to as many heads as the longest. */
  of(layer: number, of: readonly Of[]): Feeds {
    if (of.length === 1) return this.ofOne(layer, of[0]);
    const known = this.together[layer];
    const isSame = known?.of.length === of.length && of.every((each, i) => each === known.of[i]);
    if (!isSame) this.together[layer] = { of, feeds: this.made(layer, of) };
    return this.together[layer].feeds;
  }

  private ofOne(layer: number, of: Of): Feeds {
    const byLayer = this.single.get(of ?? BASE) ?? [];
    this.single.set(of ?? BASE, byLayer);
    byLayer[layer] ??= this.made(layer, [of]);
    return byLayer[layer];
  }

  private made = (layer: number, of: readonly Of[]): Feeds =>
    Object.assign({}, ...this.inputs[layer].map((inputs) => feedsOfOne(inputs, of, this.headDim)));
}

function feedsOfOne(inputs: TunedInputs, deltas: readonly Of[], headDim: number): Feeds {
  const { heads: H, width, axis } = inputs;
  const all = deltas.map((delta) => delta?.heads(inputs) ?? NONE);
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

/** Stands for a delta without tuned heads in a layer. */
const NONE: TunedHeads = { weights: new Float32Array(0), places: new Int32Array(0) };

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
