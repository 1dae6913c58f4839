import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { publishFolder } from '../foundation/whole-folder';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { DTYPE_NAMES, type FloatDtype, firstTooLarge, roundTo } from '../model/rounding';
import { type TensorSource, writeSafetensors } from '../model/safetensors';
import { classifierConfig, classifierName, configText } from './classifier-config';
import { applyDelta, type Delta, deltaParts } from './delta';
import { outputsOf, taskHeadKindOf } from './delta-info';
import { exportedTokenizer } from './exported-tokenizer';
import { taskHeadTensors } from './slices';
import { copyTokenizer, type SharedTensor, verifyUndo, writeUndo } from './undo';

/**
 * Number format of a merged checkpoint. `base` is the base's own format, to which tuned weights are
 * rounded.
 */
export type ExportDtype = 'float32' | 'base';

/** Request to export a merged checkpoint. */
export interface CheckpointExport {
  checkpoint: Checkpoint;
  delta: Delta;
  dtype: ExportDtype;
  /** New or empty folder; it appears whole or not at all. */
  out: string;
}

export interface CheckpointExportResult {
  /** Warnings, one line each: the rounding of `dtype` `base`. */
  notes: string[];
}

/**
 * Writes the base with the merged delta as a checkpoint that Hugging Face `transformers` loads
 * without extra code, and beside it the file that {@link undoCheckpoint} needs. Checks that the
 * base can be rebuilt from it before the folder appears. One tensor at a time is in memory.
 *
 * @throws INVALID_INPUT if the delta belongs to another base, `out` is not empty, or a tuned number
 *   is too large for `base`
 */
export async function exportCheckpoint(request: CheckpointExport): Promise<CheckpointExportResult> {
  const { checkpoint, delta, dtype, out } = request;
  const { config } = checkpoint;
  const plan = mergePlan(checkpoint, delta, dtype);
  const used = new Set(plan.sources.map((source) => source.dtype as FloatDtype));
  const main = plan.common;
  publishFolder(out, (folder) => {
    writeSafetensors(path.join(folder, 'model.safetensors'), plan.sources, { format: 'pt' });
    const tokenizer = exportedTokenizer(checkpoint);
    writeUndo(folder, checkpoint, plan.shared, [...tokenizer.keys()]);
    const merged = classifierConfig(config, delta.info, main);
    fs.writeFileSync(path.join(folder, 'config.json'), configText(checkpoint.folder, merged));
    copyTokenizer(checkpoint.folder, folder);
    for (const [name, text] of tokenizer) fs.writeFileSync(path.join(folder, name), text);
    verifyUndo(folder);
  });
  used.delete('F32');
  const rounded = [...used].map((each) => DTYPE_NAMES[each]).join(' and ');
  return { notes: rounded ? [`tuned weights and the task head were rounded to the base's ${rounded}`] : [] };
}

interface MergePlan {
  /** All tensors of the merged model.safetensors, sorted by name. */
  sources: TensorSource[];
  /** The base's tensors among them. */
  shared: SharedTensor[];
  /** Number format that config.json names. */
  common: FloatDtype;
}

function mergePlan(checkpoint: Checkpoint, delta: Delta, dtype: ExportDtype): MergePlan {
  const { config, weights } = checkpoint;
  const architecture = architectureOf(config);
  const touched = applyDelta(checkpoint, delta);
  const slices = new Map(deltaParts(checkpoint, delta.info).map((part) => [part.canonical, part.slice]));
  const common = dtype === 'base' ? commonDtype(checkpoint) : 'F32';
  const sources: TensorSource[] = [];
  const shared: SharedTensor[] = [];

  const head = taskHeadTensors(config, outputsOf(delta.info), taskHeadKindOf(delta.info));
  for (const { canonical, shape } of head) {
    const name = classifierName(config, canonical);
    sources.push({ name, dtype: common, shape, bytes: () => rounded(name, common, touched.get(canonical)!()) });
  }
  const whole = new Set(head.map(({ canonical }) => canonical));
  for (const { name: canonical, shape, optional } of architecture.tensors(config)) {
    const base = checkpoint.storedName(canonical);
    // The task head owns the pooler, or it is no part of the classifier, and `transformers` would
    // report it as unexpected.
    if (whole.has(canonical) || optional || base === undefined) continue;
    const name = classifierName(config, canonical);
    const stored = weights.entry(base).dtype;
    const target = dtype === 'base' ? (stored as FloatDtype) : 'F32';
    const merge = touched.get(canonical);
    const untouched = () => (stored === target ? weights.bytes(base) : roundTo('F32', weights.float32(base)));
    sources.push({ name, dtype: target, shape, bytes: merge ? () => rounded(name, target, merge()) : untouched });
    shared.push({ base, merged: name, slice: slices.get(canonical) });
  }
  sources.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { sources, shared, common };
}

/** Number format of the base's largest tensor, its word embeddings. */
function commonDtype({ config, weights, storedName }: Checkpoint): FloatDtype {
  return weights.entry(storedName(`${architectureOf(config).wordEmbeddings}.weight`)!).dtype as FloatDtype;
}

/**
 * Rounds values to a format. F16 ends at 65504: a larger value must not become infinite unnoticed.
 */
function rounded(name: string, dtype: FloatDtype, values: Float32Array): Uint8Array {
  const bytes = roundTo(dtype, values);
  if (dtype === 'F32') return bytes;
  const at = firstTooLarge(dtype, bytes);
  if (at >= 0)
    throw invalidInput(
      `${name} holds ${values[at]}, too large for the base's ${DTYPE_NAMES[dtype]}: export as float32`,
    );
  return bytes;
}
