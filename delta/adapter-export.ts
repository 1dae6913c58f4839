import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { publishFolder } from '../foundation/whole-folder';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { hubName } from '../model/known-models';
import { roundTo } from '../model/rounding';
import { type TensorSource, writeSafetensors } from '../model/safetensors';
import { transposed } from '../model/transposed';
import { adapterCard } from './adapter-card';
import { classifierName } from './classifier-config';
import { applyDelta, type Delta } from './delta';
import { type DeltaInfo, outputsOf, taskHeadKindOf } from './delta-info';
import { PROBLEMS, problemStoredAs } from './problems';
import { type Slice, storedShape, takeSlice, taskHeadTensors, tunedSlices } from './slices';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_TENSORS = 'adapter_model.safetensors';
export const ADAPTER_CARD = 'README.md';

/** Prefix that PEFT puts before the base's own names. */
const PREFIX = 'base_model.model.';

/** Request to export an adapter. */
export interface AdapterExport {
  checkpoint: Checkpoint;
  delta: Delta;
  /** New or empty folder; it appears whole or not at all. */
  out: string;
}

/**
 * Writes a delta as a LoRA adapter that Hugging Face PEFT loads on the base (docs/method.md). A
 * change of `n` rows of a matrix is a product B·A of rank n: B is the one-hot selection, A the rows
 * of the change. For columns it is the other way round. Only base + change is rounded. A card
 * beside it says how to load it.
 *
 * @throws INVALID_INPUT if the delta belongs to another base or tunes more than heads or neurons,
 *   or `out` is not empty
 */
export async function exportAdapter({ checkpoint, delta, out }: AdapterExport): Promise<void> {
  if (delta.info.parts)
    throw invalidInput('a delta that tunes more than heads or neurons has no adapter; export a checkpoint');
  const tensors = adapterTensors(checkpoint, delta);
  const config = adapterConfig(checkpoint, delta);
  publishFolder(out, (folder) => {
    writeSafetensors(path.join(folder, ADAPTER_TENSORS), tensors, { format: 'pt' });
    fs.writeFileSync(path.join(folder, ADAPTER_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
    fs.writeFileSync(path.join(folder, ADAPTER_CARD), adapterCard(delta.info, checkpoint));
  });
}

/**
 * Rank of all modules: the largest number of tuned rows or columns. Other modules are padded with
 * zeros.
 */
const rankOf = (slices: readonly Slice[]) => Math.max(1, ...slices.map(({ indices }) => indices.length));

/**
 * Tuned matrices. PEFT needs at least one: if only the task head was tuned, it is one without
 * changes.
 */
function tunedMatrices(config: ModelConfig, mask: DeltaInfo['mask']): Slice[] {
  const found = tunedSlices(config, mask).filter(({ canonical }) => canonical.endsWith('.weight'));
  if (found.length > 0) return found;
  const canonical = architectureOf(config).headSlices(config, 0, 0)[0].tensor;
  return [{ canonical, axis: 'rows', indices: new Int32Array(0), shape: [0, config.hiddenSize] }];
}

const moduleOf = ({ canonical }: Slice) => canonical.replace(/\.weight$/, '');

/** All tensors of adapter_model.safetensors, F32, sorted by name. */
function adapterTensors(checkpoint: Checkpoint, delta: Delta): TensorSource[] {
  const { config } = checkpoint;
  const merged = applyDelta(checkpoint, delta);
  const slices = tunedMatrices(config, delta.info.mask);
  const rank = rankOf(slices);
  const whole = (canonical: string) => merged.get(canonical)?.() ?? checkpoint.tensor(canonical);
  const sources: TensorSource[] = [];
  const add = (name: string, shape: number[], values: () => Float32Array) =>
    sources.push({ name: PREFIX + name, dtype: 'F32', shape, bytes: () => roundTo('F32', values()) });

  for (const slice of slices) {
    const [out, into] = storedShape(checkpoint, slice.canonical);
    const module = moduleOf(slice);
    const name = classifierName(config, module);
    const change = () => changeOf(checkpoint, slice, whole(slice.canonical));
    const byRows = slice.axis === 'rows';
    add(`${name}.lora_A.weight`, [rank, into], () =>
      byRows ? padded(change(), rank * into) : picks(slice, rank, into),
    );
    add(`${name}.lora_B.weight`, [out, rank], () =>
      transposed(byRows ? picks(slice, rank, out) : padded(change(), rank * out), rank, out),
    );
    // PEFT's `lora_only` stores every bias of the adapted modules, also those that were not tuned.
    if (checkpoint.has(`${module}.bias`)) add(`${name}.base_layer.bias`, [out], () => whole(`${module}.bias`));
  }
  for (const { canonical, shape } of taskHeadTensors(config, outputsOf(delta.info), taskHeadKindOf(delta.info))) {
    add(classifierName(config, canonical), shape, () => whole(canonical));
  }
  return sources.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Tuned values minus the base's, [n, d]; columns are transposed. */
function changeOf(checkpoint: Checkpoint, slice: Slice, tuned: Float32Array): Float32Array {
  const shape = storedShape(checkpoint, slice.canonical);
  const before = takeSlice(checkpoint.tensor(slice.canonical), shape, slice);
  return takeSlice(tuned, shape, slice).map((value, i) => value - before[i]);
}

/** One-hot selection, [rank, width]: row i has a 1 at the slice's i-th row or column. */
function picks({ indices }: Slice, rank: number, width: number): Float32Array {
  const rows = new Float32Array(rank * width);
  for (const [i, index] of indices.entries()) rows[i * width + index] = 1;
  return rows;
}

/** Values, padded with zeros at the end. */
function padded(values: Float32Array, length: number): Float32Array {
  const longer = new Float32Array(length);
  longer.set(values);
  return longer;
}

/** Content of adapter_config.json without PEFT's defaults. */
function adapterConfig({ config, folder }: Checkpoint, { info }: Delta): Record<string, unknown> {
  const slices = tunedMatrices(config, info.mask);
  const rank = rankOf(slices);
  const modules = slices.map((slice) => classifierName(config, moduleOf(slice)));
  return {
    peft_type: 'LORA',
    task_type: PROBLEMS[problemStoredAs(info.problemType)].transformers.peftTask,
    base_model_name_or_path: hubName(info.base, folder) ?? info.base.name,
    r: rank,
    lora_alpha: rank,
    lora_dropout: 0,
    bias: 'lora_only',
    target_modules: alternatives(modules),
    modules_to_save: taskHeadModules(config, info),
    fan_in_fan_out: false,
    inference_mode: true,
  };
}

/** Regular expression that matches exactly these names. */
const alternatives = (names: readonly string[]) => names.map((name) => name.replaceAll('.', '\\.')).join('|');

/** Names of the task head's modules in the model, such as `classifier`. */
const taskHeadModules = (config: ModelConfig, info: DeltaInfo) => [
  ...new Set(taskHeadTensors(config, 1, taskHeadKindOf(info)).map(({ canonical }) => canonical.split('.')[0])),
];
