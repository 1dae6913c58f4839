import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { firstNotFinite } from '../foundation/finite';
import type { Architecture, ModelTensor } from './architecture';
import { architectureOf, ofTaskHead } from './architectures';
import { type ModelConfig, readModelConfig } from './config';
import { repositoryOf } from './hub/cache';
import { isUnused } from './unused-tensors';
import { Weights } from './weights';

/** Number types from which weights are read. */
const WEIGHT_DTYPES = ['F32', 'F16', 'BF16'];

/**
 * Model folder whose encoder was checked against its config.json, tensor by tensor. A weight is
 * read when it is requested.
 */
export interface Checkpoint {
  readonly folder: string;
  /**
   * Name as given, else the `owner/name` of a folder in a cache of the Hub, else the folder's last
   * part.
   */
  readonly name: string;
  /**
   * SHA-256 of model.safetensors in hexadecimal; for a sharded checkpoint see
   * {@link Weights.sha256}.
   */
  readonly sha256: string;
  readonly config: ModelConfig;
  /**
   * Number of the base model's parameters: embeddings, layers and the pooler, which counts even if
   * the file lacks it. Other weights of a task head and position_ids do not count.
   */
  readonly parameters: number;
  /** All stored tensors, also those that are not the base's. */
  readonly weights: Weights;
  /** Returns true if a tensor with this canonical name is stored, such as `pooler.dense.weight`. */
  has(canonical: string): boolean;
  /**
   * Name under which a tensor is stored, such as `bert.pooler.dense.weight`; undefined if it is
   * not.
   */
  storedName(canonical: string): string | undefined;
  /**
   * Reads the numbers of a tensor, row by row, into a new array.
   * @param canonical canonical name, such as `encoder.layer.0.attention.self.query.weight`
   * @param row index of the only row to read, of a matrix
   * @throws HifiError INVALID_INPUT if it is missing, or a number is not finite (with its index)
   */
  tensor(canonical: string, row?: number): Float32Array;
  close(): void;
}

/**
 * Opens a model folder. Reads config.json and the header of model.safetensors, or of each file of a
 * sharded checkpoint. Checks that the encoder has all tensors in the shapes that the config
 * requires and that no tensor is unknown, and hashes the files. Loads no weight.
 * @param name name of the model. Default: from the folder, see {@link Checkpoint.name}
 * @throws HifiError INVALID_INPUT, one line with file, tensor, found shape and required shape
 */
export async function openCheckpoint(folder: string, name?: string): Promise<Checkpoint> {
  const config = readModelConfig(folder);
  const weights = Weights.open(folder);
  try {
    const architecture = architectureOf(config);
    const storedName = nameFinder(config, weights);
    const tensors = architecture.tensors(config);
    refuseMoreLayers(architecture, weights, config);
    const hasPooler = tensors.some(({ name, optional }) => optional && storedName(name) !== undefined);
    for (const tensor of tensors) {
      const stored = storedName(tensor.name);
      if (stored !== undefined || !tensor.optional || hasPooler) checkTensor(weights, stored, tensor);
    }
    refuseUnknown(config, weights, new Set(tensors.map(({ name }) => storedName(name))));
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
function nameFinder(config: ModelConfig, weights: Weights): (canonical: string) => string | undefined {
  const architecture = architectureOf(config);
  const anchor = `${architecture.wordEmbeddings}.weight`;
  const wrapper = wrapperOf([...weights.tensors.keys()]);
  const prefixes = architecture.prefixes.map((each) => wrapper + each);
  const prefix = prefixes.find((each) => weights.tensors.has(each + anchor)) ?? prefixes[0];
  return (canonical) => {
    const today = (ofTaskHead(config, canonical) ? wrapper : prefix) + canonical;
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
      `${weights.path}: has no tensor "${name}"; config.json requires one of shape ${shown(shape)}, ${found}`,
    );
  }
  const found = weights.entry(stored);
  const { path: file } = weights.fileOf(stored);
  if (!WEIGHT_DTYPES.includes(found.dtype)) {
    throw invalidInput(`${file}: tensor "${stored}" is ${found.dtype}; it must be ${WEIGHT_DTYPES.join(', ')}`);
  }
  if (shown(found.shape) !== shown(shape)) {
    throw invalidInput(
      `${file}: tensor "${stored}" has shape ${shown(found.shape)}; config.json requires ${shown(shape)}`,
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
      const right = `config.json says ${architecture.config.layers} ${layers}, so the last layer is ${layers - 1}`;
      throw invalidInput(`${weights.fileOf(stored).path}: tensor "${stored}" is of layer ${layer}; ${right}`);
    }
  }
}

/** Refuses a tensor that is neither of the base nor of a task head nor {@link isUnused}. */
function refuseUnknown(config: ModelConfig, weights: Weights, base: ReadonlySet<string | undefined>): void {
  const names = [...weights.tensors.keys()];
  const wrapper = wrapperOf(names);
  for (const stored of names) {
    const name = stored.slice(wrapper.length);
    if (base.has(stored) || ofTaskHead(config, name) || isUnused(name)) continue;
    const what = `is neither one of a ${config.architecture} model nor of a known task head`;
    throw invalidInput(
      `${weights.fileOf(stored).path}: tensor "${stored}" is unknown: it ${what}; save the model without it`,
    );
  }
}

function finiteTensor(weights: Weights, stored: string | undefined, canonical: string, row?: number): Float32Array {
  if (stored === undefined) throw invalidInput(`${weights.path}: has no tensor "${canonical}"`);
  const floats = weights.float32(stored, row);
  const i = firstNotFinite(floats);
  if (i >= 0) {
    const at = shown(position((row ?? 0) * floats.length + i, weights.entry(stored).shape));
    throw invalidInput(
      `${weights.fileOf(stored).path}: tensor "${stored}" holds ${floats[i]} at ${at}; weights must be finite numbers`,
    );
  }
  return floats;
}

/** Index of the `flat`-th number along each axis. */
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
