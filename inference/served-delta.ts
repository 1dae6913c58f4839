import type { Delta, DeltaTensor } from '../delta/delta';
import { outputsOf, taskHeadKindOf } from '../delta/delta-info';
import { tunedSlices } from '../delta/slices';
import type { Readout, TaskHeadKind } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { blocksOf } from '../model/given-weights';
import type { LayerInputs } from '../model/serving-graphs';
import type { TunedInputs } from '../model/tuned-arithmetic';
import type { NeuronInputs } from '../model/tuned-neurons';
import { servedHeads, type TunedHeads } from './served-heads';
import { type ServedNeurons, servedNeurons } from './served-neurons';
import { inBlocks, type NewNumbers } from './tuned-parts';

/** Tensor of a task head, as its graph takes it. */
export interface HeadTensor {
  /** [P, out, into/P] of a matrix; [1, out] of other tensors. */
  shape: readonly [blocks: number, out: number, across?: number];
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
  /** Tensors of the task head by name. */
  taskHead: ReadonlyMap<string, HeadTensor>;
  /** Size in bytes. */
  bytes: number;
  /** Memory of its large tensors. */
  memory: readonly Float32Array[];
  /** Its tuned heads of a dense layer; undefined for none. */
  heads(inputs: TunedInputs): TunedHeads | undefined;
  /** Its tuned neurons of a layer; undefined for none. */
  neurons(inputs: NeuronInputs): ServedNeurons | undefined;
}

/** Tensors of a task head by name, as a delta or checkpoint stores them. */
type StoredHead = ReadonlyMap<string, DeltaTensor>;

/**
 * Prepares a delta that tunes heads or neurons.
 *
 * @param inputsOf inputs of each layer's tuned parts, for a kind of task head
 * @param numbers gives memory of this many numbers; the delta's own tensors are copied
 * @returns undefined if it tunes more than that
 */
export function servedDelta(
  checkpoint: Checkpoint,
  { info, tensors }: Delta,
  inputsOf: (kind: TaskHeadKind) => readonly LayerInputs[],
  numbers: NewNumbers,
): ServedDelta | undefined {
  const { config } = checkpoint;
  if (info.parts?.length) return undefined;
  const tensorOf = (canonical: string) => tensors.get(checkpoint.storedName(canonical) ?? canonical)!;
  const slices = new Map(tunedSlices(config, info.mask).map((slice) => [slice.canonical, slice]));
  const valuesOf = (canonical: string) => tensorOf(canonical).values;
  const made = { heads: new Map<string, TunedHeads>(), neurons: new Map<string, ServedNeurons>() };
  const kind = taskHeadKindOf(info);
  const layerInputs = inputsOf(kind);
  let lowest = layerInputs.length;
  for (const [layer, { heads, neurons }] of layerInputs.entries()) {
    const ofNeurons = servedNeurons(checkpoint, neurons, slices, valuesOf, numbers);
    if (ofNeurons) {
      made.neurons.set(neurons.any, ofNeurons);
      lowest = Math.min(lowest, layer);
    }
    for (const inputs of heads) {
      const own = servedHeads(checkpoint, inputs, slices, valuesOf, numbers);
      if (!own) continue;
      made.heads.set(inputs.weights, own);
      lowest = Math.min(lowest, layer);
    }
  }
  const names = architectureOf(config).taskHead(config, kind).tensors(config, outputsOf(info));
  const stored = new Map(names.map(({ name }) => [name, tensorOf(name)]));
  const head = untuned(config, kind, stored, numbers);
  const ofNeurons = [...made.neurons.values()].flatMap(({ rows, columns }) => [...rows.map(weightsOf), columns]);
  const memory = [...head.memory, ...[...made.heads.values()].map(weightsOf), ...ofNeurons];
  // Beside the delta's numbers, neurons have as many of the base's.
  const bytes = bytesOf([...tensors.values()].map(({ values }) => values)) + bytesOf(ofNeurons) / 2;
  return { ...head, lowest, bytes, memory, ...valuesIn(made) };
}

const weightsOf = ({ weights }: { weights: Float32Array }) => weights;

const bytesOf = (all: readonly Float32Array[]) => all.reduce((sum, { byteLength }) => sum + byteLength, 0);

/** Made here, since closures of its caller would keep the delta's own tensors in memory. */
const valuesIn = (made: {
  heads: ReadonlyMap<string, TunedHeads>;
  neurons: ReadonlyMap<string, ServedNeurons>;
}): Pick<ServedDelta, 'heads' | 'neurons'> => ({
  heads: ({ weights }) => made.heads.get(weights),
  neurons: ({ any }) => made.neurons.get(any),
});

/** A task head on a model that nothing else is tuned in. */
export function untuned(config: ModelConfig, kind: TaskHeadKind, stored: StoredHead, numbers: NewNumbers): ServedDelta {
  const { reads, output } = architectureOf(config).taskHead(config, kind);
  const [outputs] = stored.get(`${output}.weight`)!.shape;
  const taskHead = new Map([...stored].map(([name, tensor]) => [name, asInput(tensor, numbers)]));
  const memory = [...taskHead.values()].map(({ values }) => values);
  const bytes = bytesOf(memory);
  const none = valuesIn({ heads: new Map(), neurons: new Map() });
  return { lowest: config.layers, reads, kind, outputs, taskHead, bytes, memory, ...none };
}

function asInput({ shape: [out, into], values }: DeltaTensor, numbers: NewNumbers): HeadTensor {
  const blocks = into === undefined ? 1 : blocksOf(into);
  const shape = into === undefined ? ([1, out] as const) : ([blocks, out, into / blocks] as const);
  return { shape, values: inBlocks([values], out, blocks, numbers) };
}
