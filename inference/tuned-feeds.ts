import * as ort from 'onnxruntime-node';
import { blocksOf } from '../model/given-weights';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { NeuronInputs } from '../model/tuned-neurons';
import type { Of } from './layouts';
import type { ServedDelta } from './served-delta';
import type { TunedHeads } from './served-heads';

/** Inputs of a graph by name. */
export type Feeds = Record<string, ort.Tensor>;

/**
 * Inputs of a tuned dense layer for some deltas, each padded to as many heads as the one with the
 * most.
 *
 * @param part whether the deltas share the layer's input but not its result
 */
export function tunedFeeds(inputs: TunedInputs, deltas: readonly Of[], part: boolean, headDim: number): Feeds {
  const { heads: H, width, axis } = inputs;
  const isRows = axis === 'rows';
  const all = deltas.map((delta) => delta?.heads(inputs) ?? NONE);
  const most = Math.max(...all.map(({ places }) => places.length));
  const any = part || most > 0;
  const h = any ? Math.max(1, most) : 0;
  const [D, r] = [all.length, h * headDim];
  const places = new Float32Array(D * h * H);
  const isTuned = new Uint8Array(D * H);
  for (const [i, each] of all.entries()) {
    for (const [j, place] of each.places.entries()) {
      places[i * h * H + (isRows ? place * h + j : j * H + place)] = 1;
      isTuned[i * H + place] = 1;
    }
  }
  const P = isRows ? blocksOf(width) : 1;
  const weights = stacked(
    all.map((each) => each.weights),
    P,
    (r * width) / P,
  );
  const biases = stacked(
    all.map((each) => each.biases ?? NONE.weights),
    1,
    r,
  );
  const float = (values: Float32Array, ...shape: number[]) => new ort.Tensor('float32', values, shape);
  return {
    [inputs.any]: new ort.Tensor('bool', Uint8Array.of(Number(any)), [1]),
    [inputs.places]: isRows ? float(places, D, 1, H, h) : float(places, D, 1, h, H),
    [inputs.weights]: isRows ? float(weights, D, P, r, width / P) : float(weights, D, r, width),
    ...(inputs.tuned && { [inputs.tuned]: new ort.Tensor('bool', isTuned, [D, 1, H, 1]) }),
    ...(inputs.biases && { [inputs.biases]: float(biases, D, 1, 1, r) }),
  };
}

/** Inputs of a layer's tuned neurons, each delta's padded to as many as the one with the most. */
export function neuronFeeds(inputs: NeuronInputs, deltas: readonly Of[]): Feeds {
  const { rows, columns, any } = inputs;
  const all = deltas.map((delta) => delta?.neurons(inputs));
  const D = all.length;
  const r = Math.max(...all.map((each) => each?.count ?? 0));
  const float = (parts: (Float32Array | undefined)[], blocks: number, ...shape: number[]) => {
    const size = shape.reduce((a, b) => a * b);
    const values = stacked(
      parts.map((part) => part ?? NONE.weights),
      blocks,
      size / blocks,
    );
    return new ort.Tensor('float32', values, [D, ...shape]);
  };
  const feeds: Feeds = {
    [any]: new ort.Tensor('bool', Uint8Array.of(Number(r > 0)), [1]),
    [columns.weights]: float(
      all.map((each) => each?.columns),
      1,
      ...[r, columns.width],
    ),
  };
  for (const [i, { width, weights, biases }] of rows.entries()) {
    const P = blocksOf(width);
    feeds[weights] = float(
      all.map((each) => each?.rows[i].weights),
      P,
      ...[P, r, width / P],
    );
    const own = all.map((each) => each?.rows[i].biases);
    if (biases) feeds[biases] = float(own, 1, 1, 1, r);
  }
  return feeds;
}

/**
 * Inputs of task heads, with as many outputs as that with the most has; two at least, since a
 * product with one column takes another kernel in onnxruntime, whose bits depend on the number of
 * rows.
 */
export function taskHeadFeeds(deltas: readonly ServedDelta[]): Feeds {
  const feeds: Feeds = {};
  for (const name of deltas[0].taskHead.keys()) {
    const all = deltas.map(({ taskHead }) => taskHead.get(name)!);
    const out = Math.max(2, ...all.map(({ shape }) => shape[1]));
    const [blocks, , ...across] = all[0].shape;
    const values = all.map((each) => each.values);
    const whole = stacked(values, blocks, out * (across[0] ?? 1));
    feeds[name] = new ort.Tensor('float32', whole, [deltas.length, blocks, out, ...(across as number[])]);
  }
  return feeds;
}

/** Stands for a delta without tuned heads in a layer. */
const NONE: TunedHeads = { weights: new Float32Array(0), places: new Int32Array(0) };

/**
 * Puts parts one after the other, each block of them padded with zeros to `size` numbers. A single
 * part that needs none stays as it is. // [P, ≤ size] each → [D, P, size]
 */
function stacked(parts: readonly Float32Array[], blocks: number, size: number): Float32Array {
  if (parts.length === 1 && parts[0].length === blocks * size) return parts[0];
  const all = new Float32Array(parts.length * blocks * size);
  for (const [i, part] of parts.entries()) {
    const own = part.length / blocks;
    for (let block = 0; block < blocks; block++) {
      all.set(part.subarray(block * own, (block + 1) * own), (i * blocks + block) * size);
    }
  }
  return all;
}
