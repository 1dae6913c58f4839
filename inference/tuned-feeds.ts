import * as ort from 'onnxruntime-node';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { ServedDelta, TunedFeatures } from './served-delta';

/** Stands for a delta without tuned features in a layer: one feature of zeros, without a place. */
const none = ({ width }: TunedInputs): TunedFeatures => ({
  weights: new Float32Array(width),
  biases: new Float32Array(1),
  places: Int32Array.of(-1),
});

/** Inputs of a layer's graph for some deltas, each padded to as many features as the longest. */
export function feedsOf(
  tuned: readonly TunedInputs[],
  deltas: readonly (ServedDelta | undefined)[],
): Record<string, ort.Tensor> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const inputs of tuned) {
    const all = deltas.map((delta) => delta?.features(inputs) ?? none(inputs));
    const r = Math.max(...all.map(({ places }) => places.length));
    const [D, { width }] = [all.length, inputs];
    const places = new BigInt64Array(D * r).fill(-1n);
    all.forEach((each, i) => {
      each.places.forEach((place, j) => {
        places[i * r + j] = BigInt(place);
      });
    });
    feeds[inputs.places] = new ort.Tensor('int64', places, [D, r]);
    feeds[inputs.weights] = new ort.Tensor(
      'float32',
      joined(
        all.map(({ weights }) => weights),
        r * width,
      ),
      [D, r, width],
    );
    if (inputs.biases) {
      feeds[inputs.biases] = new ort.Tensor(
        'float32',
        joined(
          all.map(({ biases }) => biases!),
          r,
        ),
        [D, 1, r],
      );
    }
  }
  return feeds;
}

/** Parts one after the other, each padded with zeros to `size` numbers. */
function joined(parts: readonly Float32Array[], size: number): Float32Array {
  if (parts.length === 1 && parts[0].length === size) return parts[0];
  const all = new Float32Array(parts.length * size);
  parts.forEach((part, i) => {
    all.set(part, i * size);
  });
  return all;
}
