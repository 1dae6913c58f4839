import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import type { Architecture, ModelTensor } from './architecture';
import { architectureOf, ofTaskHead } from './architectures';
import { type ModelConfig, readModelConfig } from './config';
import { repositoryOf } from './hub/cache';
import { Weights } from './weights';

/** Types that weights are read from. */
const WEIGHT_DTYPES = ['F32', 'F16', 'BF16'];

/** A model folder whose encoder was checked, tensor by tensor, against its config.json; weights are read when asked for. */
export interface Checkpoint {
  readonly folder: string;
  /** The name that was given, the `owner/name` of a folder in a cache of the Hub's, or the folder's last part. */
  readonly name: string;
  /** Hex SHA-256 of model.safetensors; of a sharded checkpoint that of its files' hashes, see {@link Weights.sha256}. */
  readonly sha256: string;
  readonly config: ModelConfig;
  /**
   * All the base model's numbers: embeddings, layers and the pooler, which counts where the file lacks it too; no other
   * weights of a task head, no position_ids.
   */
  readonly parameters: number;
  /** Every tensor that is stored, the base's or not. */
  readonly weights: Weights;
  /** Whether a tensor of this canonical name is stored, such as `pooler.dense.weight`. */
  has(canonical: string): boolean;
  /** What it is stored as, such as `bert.pooler.dense.weight`. */
  storedName(canonical: string): string | undefined;
  /**
   * A tensor's numbers, row by row, in an array of their own.
   * @param canonical such as `encoder.layer.0.attention.self.query.weight`
   * @param row that row of a matrix alone
   * @throws HifiError INVALID_INPUT where it is missing or a number of it is not finite (named with its index)
   */
  tensor(canonical: string, row?: number): Float32Array;
  close(): void;
}

/**
 * Opens a model folder: reads config.json and the header of model.safetensors, or of each file of a sharded checkpoint,
 * checks that every tensor of the encoder is there in the shape that the config asks for, and hashes the files. No weight is
 * loaded.
 * @param name what the caller knows the model as; by default the folder tells, see {@link Checkpoint.name}
 * @throws HifiError INVALID_INPUT, one line that names file, tensor, the shape found and the shape asked for
 */
export async function openCheckpoint(folder: string, name?: string): Promise<Checkpoint> {
  const config = readModelConfig(folder);
  const weights = Weights.open(folder);
  try {
    const architecture = architectureOf(config);
    const storedName = nameFinder(architecture, weights);
    const tensors = architecture.tensors(config);
    refuseMoreLayers(architecture, weights, config);
    const hasPooler = tensors.some(({ name, optional }) => optional && storedName(name) !== undefined);
    for (const tensor of tensors) {
      const stored = storedName(tensor.name);
      if (stored !== undefined || !tensor.optional || hasPooler) checkTensor(weights, stored, tensor);
    }
    return {
      folder,
      name: name ?? repositoryOf(folder) ?? path.basename(path.resolve(folder)),
      sha256: await weights.sha256(),
      config,
      parameters: parametersOf(config),
      weights,
      has: (canonical) => storedName(canonical) !== undefined,
      storedName,
      tensor: (canonical, row) => finiteTensor(weights, storedName(canonical), canonical, row),
      close: () => weights.close(),
    };
  } catch (error) {
    weights.close();
    throw error;
  }
}

/** Parameters of a base model with its pooler; see {@link Checkpoint.parameters}. */
export const parametersOf = (config: ModelConfig): number =>
  architectureOf(config)
    .tensors(config)
    .reduce((sum, { shape }) => sum + shape.reduce((product, axis) => product * axis, 1), 0);

/**
 * Prefixes that wrappers add to all tensor names: torch.compile, DataParallel, a module's field,
 * sentence-transformers.
 */
const WRAPPERS = ['_orig_mod.', 'module.', 'model.', '0.auto_model.'];

/** Returns the prefix that all tensors of a file share, outermost wrapper first. */
function wrapperOf(names: readonly string[]): string {
  let wrapper = '';
  for (;;) {
    const next = WRAPPERS.find((each) => names.every((name) => name.startsWith(wrapper + each)));
    if (next === undefined || names.length === 0) return wrapper;
    wrapper += next;
  }
}

/**
 * Maps canonical to stored names: wrappers, the file's prefix before the base's modules, and old
 * endings.
 */
function nameFinder(architecture: Architecture, weights: Weights): (canonical: string) => string | undefined {
  const anchor = `${architecture.wordEmbeddings}.weight`;
  const wrapper = wrapperOf([...weights.tensors.keys()]);
  const prefixes = architecture.prefixes.map((each) => wrapper + each);
  const prefix = prefixes.find((each) => weights.tensors.has(each + anchor)) ?? prefixes[0];
  return (canonical) => {
    const today = (ofTaskHead(architecture, canonical) ? wrapper : prefix) + canonical;
    if (weights.tensors.has(today)) return today;
    for (const [stored, ending] of architecture.legacyEndings) {
      if (!today.endsWith(ending)) continue;
      const legacy = today.slice(0, -ending.length) + stored;
      if (weights.tensors.has(legacy)) return legacy;
    }
    return undefined;
  };
}

function checkTensor(weights: Weights, stored: string | undefined, { name, shape }: ModelTensor): void {
  if (stored === undefined) {
    const [first] = weights.tensors.keys();
    const found = first === undefined ? 'it has none' : `its first is "${first}"`;
    throw invalidInput(
      `${weights.path}: has no tensor "${name}"; config.json asks for one of shape ${shown(shape)}, ${found}`,
    );
  }
  const found = weights.entry(stored);
  const { path: file } = weights.fileOf(stored);
  if (!WEIGHT_DTYPES.includes(found.dtype)) {
    throw invalidInput(`${file}: tensor "${stored}" is ${found.dtype}; it must be ${WEIGHT_DTYPES.join(', ')}`);
  }
  if (shown(found.shape) !== shown(shape)) {
    throw invalidInput(
      `${file}: tensor "${stored}" has shape ${shown(found.shape)}; config.json asks for ${shown(shape)}`,
    );
  }
}

function refuseMoreLayers(architecture: Architecture, weights: Weights, { layers }: ModelConfig): void {
  const before = architecture.layerPrefix;
  const wrapper = wrapperOf([...weights.tensors.keys()]);
  const prefixes = architecture.prefixes.map((each) => wrapper + each);
  for (const stored of weights.tensors.keys()) {
    const prefix = prefixes.find((each) => stored.startsWith(each + before));
    if (prefix === undefined) continue;
    const layer = Number.parseInt(stored.slice(prefix.length + before.length), 10);
    if (layer >= layers) {
      const asked = `config.json says ${architecture.config.layers} ${layers}, so the last layer is ${layers - 1}`;
      throw invalidInput(`${weights.fileOf(stored).path}: tensor "${stored}" is of layer ${layer}; ${asked}`);
    }
  }
}

function finiteTensor(weights: Weights, stored: string | undefined, canonical: string, row?: number): Float32Array {
  if (stored === undefined) throw invalidInput(`${weights.path}: has no tensor "${canonical}"`);
  const floats = weights.float32(stored, row);
  for (let i = 0; i < floats.length; i++) {
    // Finite numbers alone minus themselves are 0.
    if (floats[i] - floats[i] !== 0) {
      const at = shown(position((row ?? 0) * floats.length + i, weights.entry(stored).shape));
      throw invalidInput(
        `${weights.fileOf(stored).path}: tensor "${stored}" holds ${floats[i]} at ${at}; weights must be finite numbers`,
      );
    }
  }
  return floats;
}

/** Index along each axis of the `flat`-th number. */
function position(flat: number, shape: readonly number[]): number[] {
  let rest = flat;
  return shape
    .map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1))
    .map((stride) => {
      const index = Math.floor(rest / stride);
      rest -= index * stride;
      return index;
    });
}

const shown = (numbers: readonly number[]) => `[${numbers.join(', ')}]`;
