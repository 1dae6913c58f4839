import * as ort from 'onnxruntime-node';
import { blocksOf } from '../model/given-weights';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { Of } from './layouts';
import type { ServedDelta, TunedHeads } from './served-delta';

/** Inputs of a graph by name. */
export type Feeds = Record<string, ort.Tensor>;

/** Stands for the base where a delta is a key. */
const BASE = {};

/** Inputs of the layers' tuned parts, cached: the same deltas often come again. */
export class TunedFeeds {
  /** Inputs of each delta, or of the base, by itself, layer by layer. They share its memory. */
  private readonly single = new WeakMap<object, Feeds[]>();
  /** Inputs of the last deltas that ran together, layer by layer. */
  private readonly together: { of: readonly Of[]; part: boolean; feeds: Feeds }[] = [];

  constructor(
    private readonly inputs: readonly (readonly TunedInputs[])[],
    private readonly headDim: number,
  ) {}

  /**
   * Inputs of a layer for some deltas, each padded to as many heads as the longest.
   *
   * @param part whether the deltas share the layer's input but not its result
   */
  of(layer: number, of: readonly Of[], part: boolean): Feeds {
    if (of.length === 1) return this.ofOne(layer, of[0]);
    const known = this.together[layer];
    const isSame = known?.part === part && known.of.length === of.length && of.every((each, i) => each === known.of[i]);
    if (!isSame) this.together[layer] = { of, part, feeds: this.made(layer, of, part) };
    return this.together[layer].feeds;
  }

  private ofOne(layer: number, of: Of): Feeds {
    const byLayer = this.single.get(of ?? BASE) ?? [];
    this.single.set(of ?? BASE, byLayer);
    byLayer[layer] ??= this.made(layer, [of], false);
    return byLayer[layer];
  }

  /** Inputs of a layer; those of the task head follow the last one's. */
  private made(layer: number, of: readonly Of[], part: boolean): Feeds {
    if (layer === this.inputs.length) return taskHeadFeeds(of as readonly ServedDelta[]);
    return Object.assign({}, ...this.inputs[layer].map((inputs) => feedsOfOne(inputs, of, part, this.headDim)));
  }
}

function feedsOfOne(inputs: TunedInputs, deltas: readonly Of[], part: boolean, headDim: number): Feeds {
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

/**
 * Inputs of task heads, with as many outputs as that with the most has; two at least, since a
 * product with one column takes another kernel in onnxruntime, whose bits depend on the number of
 * rows.
 */
function taskHeadFeeds(deltas: readonly ServedDelta[]): Feeds {
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
