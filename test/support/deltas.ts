import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type Delta, makeDelta } from '../../delta/delta';
import type { StoredProblem } from '../../delta/problems';
import { countNumbers, tunedSlices } from '../../delta/slices';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import type { Mask } from '../../heads/mask';
import type { Tune } from '../../heads/tune';
import type { TensorPart } from '../../model/architecture';
import type { Checkpoint } from '../../model/checkpoint';
import { roundTo } from '../../model/rounding';
import { SafetensorsFile, type TensorSource, writeSafetensors } from '../../model/safetensors';
import { WEIGHTS_INDEX, Weights } from '../../model/weights';

export const FIXTURES = path.join(__dirname, '../fixtures');

/** Creates a folder that the test removes: `afterAll(() => fs.rmSync(...))`. */
export const temporaryFolder = (name: string) => fs.mkdtempSync(path.join(os.tmpdir(), `hifi-${name}-`));

export interface DeltaShape {
  /** Chosen heads of each layer. */
  heads: number[][];
  /** Chosen neurons of each layer, with tune `neurons`. */
  neurons?: number[][];
  tune?: Tune;
  /** Other tuned parts of the base. */
  parts?: readonly TensorPart[];
  /** Class labels in order. Absent: a regression. */
  labels?: string[];
  /** Default: a regression without labels, else a single label per row. */
  problemType?: StoredProblem;
  /** Scale of the random values. */
  scale?: number;
}

/** Mask of these heads or neurons, layer by layer. */
function maskOf(
  { name, sha256, config, parameters }: Checkpoint,
  { heads, neurons, tune = 'qkv' }: Pick<DeltaShape, 'heads' | 'neurons' | 'tune'>,
): Mask {
  const chosen = heads.flatMap((of, layer) => of.map((head) => ({ layer, head, score: 1 / (2 + head) })));
  const ofNeurons = neurons?.flatMap((of, layer) => of.map((index) => ({ layer, index, score: 1 / (2 + index) })));
  const units = { heads: chosen, ...(ofNeurons && { neurons: ofNeurons }), tune };
  const trainable = countNumbers(tunedSlices(config, units));
  return {
    schemaVersion: 1,
    model: { name, sha256 },
    strategy: 'hifi',
    k: Math.max(0, ...(neurons ?? heads).map((of) => of.length)),
    ...units,
    trainableParameters: trainable,
    totalParameters: parameters,
    share: trainable / parameters,
  };
}

/** Delta with values that no base has, from a small congruential generator. */
export function randomDelta(
  checkpoint: Checkpoint,
  {
    heads,
    neurons,
    tune,
    parts,
    labels,
    problemType = labels ? 'single_label_classification' : 'regression',
    scale = 1,
  }: DeltaShape,
): Delta {
  const { name, sha256, config } = checkpoint;
  let state = 12345;
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  };
  return makeDelta(
    checkpoint,
    {
      schemaVersion: 1,
      base: { name, sha256, architecture: config.architecture },
      mask: maskOf(checkpoint, { heads, neurons, tune }),
      ...(parts && { parts }),
      id2label: labels ? Object.fromEntries(labels.map((label, i) => [String(i), label])) : null,
      problemType,
      task: null,
      options: { ...TRAIN_DEFAULTS },
      seed: 0,
    },
    ({ shape }) => Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, draw),
  );
}

/** Copies a model folder with its F32 tensors rounded to another format. */
export function copyModel(from: string, to: string, dtype: 'F32' | 'F16' | 'BF16'): string {
  fs.cpSync(from, to, { recursive: true });
  const file = SafetensorsFile.open(path.join(from, 'model.safetensors'));
  const tensors = [...file.tensors].map(([name, tensor]): TensorSource => {
    if (tensor.dtype !== 'F32') return { ...tensor, name, bytes: () => file.bytes(name) };
    return { name, dtype, shape: tensor.shape, bytes: () => roundTo(dtype, file.float32(name)) };
  });
  writeSafetensors(path.join(to, 'model.safetensors'), tensors, { format: 'pt' });
  file.close();
  return to;
}

/** Copies a model folder with all of its weights in one file of float32. */
export function widenedModel(from: string, to: string): string {
  const weights = Weights.open(from);
  const files = weights.files.map((file) => path.basename(file.path));
  fs.cpSync(from, to, { recursive: true, filter: (file) => !files.includes(path.basename(file)) });
  for (const name of fs.readdirSync(to)) if (name.endsWith('.index.json')) fs.rmSync(path.join(to, name));
  const floats = [...weights.tensors].filter(([, { dtype }]) => ['F32', 'F16', 'BF16'].includes(dtype));
  const tensors = floats.map(
    ([name, { shape }]): TensorSource => ({ name, dtype: 'F32', shape, bytes: () => bytesOf(weights.float32(name)) }),
  );
  writeSafetensors(path.join(to, 'model.safetensors'), tensors, { format: 'pt' });
  weights.close();
  return to;
}

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Copies a model folder with its tensors distributed over the files of an index. */
export function shardModel(from: string, to: string, shards: number): string {
  fs.cpSync(from, to, { recursive: true });
  fs.rmSync(path.join(to, 'model.safetensors'));
  const file = SafetensorsFile.open(path.join(from, 'model.safetensors'));
  const weightMap: Record<string, string> = {};
  const numbered = (i: number) =>
    `model-${String(i + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`;
  for (let shard = 0; shard < shards; shard++) {
    const tensors = [...file.tensors].filter((_, i) => i % shards === shard);
    for (const [name] of tensors) weightMap[name] = numbered(shard);
    const sources = tensors.map(([name, tensor]): TensorSource => ({ ...tensor, name, bytes: () => file.bytes(name) }));
    writeSafetensors(path.join(to, numbered(shard)), sources, { format: 'pt' });
  }
  file.close();
  const index = { metadata: {}, weight_map: weightMap };
  fs.writeFileSync(path.join(to, WEIGHTS_INDEX), JSON.stringify(index));
  return to;
}

/** Fixture models that are also stored as PyTorch's own files. */
export const TORCH_MODELS = fs
  .readdirSync(path.join(FIXTURES, 'torch-files'), { withFileTypes: true })
  .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

/** Copies a fixture model with its weights as PyTorch's own files (`make_torch_files.py`). */
export function torchModel(name: string, to: string): string {
  fs.cpSync(path.join(FIXTURES, name), to, { recursive: true, filter: (file) => !file.includes('.safetensors') });
  fs.cpSync(path.join(FIXTURES, 'torch-files', name), to, { recursive: true });
  return to;
}

/**
 * Copies tiny-bert with letter case and accents as in a cased model, which its tokenizer.json alone
 * says. transformers' class does not read it there.
 */
export function casedModel(to: string): string {
  fs.cpSync(path.join(FIXTURES, 'tiny-bert'), to, { recursive: true });
  const change = (name: string, changed: (json: Record<string, unknown>) => object) => {
    const file = path.join(to, name);
    fs.writeFileSync(file, JSON.stringify(changed(JSON.parse(fs.readFileSync(file, 'utf8')))));
  };
  change('tokenizer.json', ({ normalizer, ...rest }) => ({
    ...rest,
    normalizer: { ...(normalizer as object), lowercase: false, strip_accents: true },
  }));
  change('tokenizer_config.json', ({ do_lower_case: _, strip_accents: __, ...rest }) => rest);
  return to;
}

/** Expects two folders to have the same files, byte for byte. */
export function expectSameFiles(found: string, expected: string): void {
  expect(fs.readdirSync(found).sort()).toEqual(fs.readdirSync(expected).sort());
  for (const name of fs.readdirSync(expected)) {
    const same = Buffer.compare(fs.readFileSync(path.join(found, name)), fs.readFileSync(path.join(expected, name)));
    expect([name, same]).toEqual([name, 0]);
  }
}
