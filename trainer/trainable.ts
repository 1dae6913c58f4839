import { randomStream } from '../data/random';
import { countNumbers, storedShape, takeSlice, taskHeadTensors } from '../delta/slices';
import { countTuned, type Tuning } from '../delta/tuning';
import type { TaskHeadKind } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { initialFactors } from './low-rank';
import { ParameterLayout } from './parameters';

/** Trainable parameters: the place of each tensor in the flat vector, and the initial values. */
export interface Trainable {
  layout: ParameterLayout;
  /** Vector before the first step. // [P] */
  initial: Float32Array;
  /** Number of trainable parameters of the base. */
  tunedParameters: number;
  /** Number of parameters of the task head. */
  taskHeadParameters: number;
}

/**
 * Trainable parameters with their initial values (docs/method.md): the tuned slices and a pooler
 * from the base, the factors of products as in PEFT, new weights of the task head from
 * N(0, initializer_range), its new biases 0, its new norms 1.
 *
 * @param outputs number of logits per sequence or token
 * @param kind what the task head has logits for
 */
export function trainable(
  checkpoint: Checkpoint,
  tuning: Tuning,
  outputs: number,
  seed: number,
  kind: TaskHeadKind | 'none' = 'sequence',
): Trainable {
  const { config } = checkpoint;
  const { slices, products = [] } = tuning;
  const head = kind === 'none' ? [] : taskHeadTensors(config, outputs, kind);
  const ofBase = new Set(
    architectureOf(config)
      .tensors(config)
      .map(({ name }) => name),
  );
  const tensors = [
    ...slices.map((slice) => ({
      name: slice.canonical,
      shape: slice.shape,
      initial: () => takeSlice(checkpoint.tensor(slice.canonical), storedShape(checkpoint, slice.canonical), slice),
    })),
    ...products.flatMap((product) => initialFactors(config, product, seed)),
    ...head.map(({ canonical, shape }) => ({
      name: canonical,
      shape,
      initial: () => {
        if (ofBase.has(canonical) && checkpoint.has(canonical)) return checkpoint.tensor(canonical);
        const size = countNumbers([{ shape }]);
        if (canonical.endsWith('.bias')) return new Float32Array(size);
        if (shape.length === 1) return new Float32Array(size).fill(1);
        return drawn(size, config.initializerRange, seed, canonical);
      },
    })),
  ];
  const layout = new ParameterLayout(tensors);
  const initialOf = new Map(tensors.map(({ name, initial }) => [name, initial]));
  return {
    layout,
    initial: layout.gather(({ name }) => initialOf.get(name)!()),
    tunedParameters: countTuned(config, tuning),
    taskHeadParameters: countNumbers(head),
  };
}

function drawn(size: number, deviation: number, seed: number, name: string): Float32Array {
  const random = randomStream(seed, `initial/${name}`);
  return Float32Array.from({ length: size }, () => random.normal() * deviation);
}
