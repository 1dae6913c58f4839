import { randomStream } from '../data/random';
import { countNumbers, storedShape, takeSlice, taskHeadTensors, tunedSlices } from '../delta/slices';
import type { Mask } from '../heads/mask';
import type { TaskHeadKind } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
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
 * from the base, new weights of the task head from N(0, initializer_range), its new biases 0, its
 * new norms 1.
 *
 * @param outputs number of logits per sequence or token
 * @param kind what the task head has logits for
 */
export function trainable(
  checkpoint: Checkpoint,
  mask: Pick<Mask, 'heads' | 'tune'>,
  outputs: number,
  seed: number,
  kind: TaskHeadKind = 'sequence',
): Trainable {
  const { config } = checkpoint;
  const slices = tunedSlices(config, mask);
  const head = taskHeadTensors(config, outputs, kind);
  const sliceOf = new Map(slices.map((slice) => [slice.canonical, slice]));
  const layout = new ParameterLayout([...slices, ...head].map(({ canonical, shape }) => ({ name: canonical, shape })));
  const ofBase = new Set(
    architectureOf(config)
      .tensors(config)
      .map(({ name }) => name),
  );
  const initial = layout.gather(({ name, shape, size }) => {
    const slice = sliceOf.get(name);
    if (slice) return takeSlice(checkpoint.tensor(name), storedShape(checkpoint, name), slice);
    if (ofBase.has(name) && checkpoint.has(name)) return checkpoint.tensor(name);
    if (name.endsWith('.bias')) return new Float32Array(size);
    return shape.length === 1 ? new Float32Array(size).fill(1) : drawn(size, config.initializerRange, seed, name);
  });
  return { layout, initial, tunedParameters: countNumbers(slices), taskHeadParameters: countNumbers(head) };
}

function drawn(size: number, deviation: number, seed: number, name: string): Float32Array {
  const random = randomStream(seed, `initial/${name}`);
  return Float32Array.from({ length: size }, () => random.normal() * deviation);
}
