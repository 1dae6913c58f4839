import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Encoded } from '../data/batches';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { classifierModel } from '../model/graph';
import { MAX_WEIGHT_BYTES, type WeightsFile, writeWeights } from '../model/onnx';
import type { OnnxDtype } from '../model/onnx-dtype';
import { loadTokenizer } from '../model/tokenizer';
import { classifierConfig, configText } from './classifier-config';
import { applyDelta, type Delta } from './delta';
import { outputsOf, taskHeadKindOf } from './delta-info';
import { drawnRows } from './onnx-check';
import { ONNX_FILES, PARAMETER_BYTES, weightsFileOf } from './onnx-folder';
import { writeOnnxTokenizer } from './onnx-tokenizer';

export interface OnnxFiles {
  checkpoint: Checkpoint;
  delta: Delta;
  /** Number types to write, a file each; at least one. */
  dtypes: readonly OnnxDtype[];
  /** Empty folder to fill. */
  folder: string;
  /**
   * Largest weights within one ONNX file, in bytes; larger ones are in a file of their own.
   * Default: the format's limit, 2 GB.
   */
  oneFileBytes?: number;
}

/**
 * Writes the base with the merged delta and its task head as the files that transformers.js and
 * onnxruntime load (docs/method.md). The inputs are a tokenizer's outputs, the output is `logits`,
 * and each type has a file.
 *
 * @returns the token rows that the files are checked on
 * @throws INVALID_INPUT if the delta belongs to another base, or a weight is too large for float16
 */
export function writeOnnxFiles(request: OnnxFiles): Encoded[] {
  const { checkpoint, delta, dtypes, folder, oneFileBytes = MAX_WEIGHT_BYTES } = request;
  const { config, folder: base } = checkpoint;
  const merged = applyDelta(checkpoint, delta);
  const tensor = (canonical: string) => merged.get(canonical)?.() ?? checkpoint.tensor(canonical);
  const segments = hasSegments(checkpoint);
  const kind = taskHeadKindOf(delta.info);
  const apart = (dtype: OnnxDtype) => checkpoint.parameters * PARAMETER_BYTES[dtype] > oneFileBytes;
  fs.mkdirSync(path.join(folder, 'onnx'));
  for (const dtype of dtypes) {
    const file = path.join(folder, ONNX_FILES[dtype]);
    const end = { kind, outputs: outputsOf(delta.info), segments, type: dtype };
    const build = (weights?: WeightsFile) => classifierModel({ config, tensor }, end, weights);
    const whole = apart(dtype) ? writeWeights(path.dirname(file), build, weightsFileOf(file)) : build();
    fs.writeFileSync(file, whole);
  }
  const described = {
    ...classifierConfig(config, delta.info, 'F32'),
    'transformers.js_config': loading(dtypes, apart),
  };
  fs.writeFileSync(path.join(folder, 'config.json'), configText(base, described));
  writeOnnxTokenizer(base, folder, config, segments);
  return drawnRows(config, segments, kind);
}

/**
 * Configures transformers.js for the folder. By default it loads q8 in a browser's WebAssembly and
 * fp32 elsewhere. If one of them is missing, the configuration names the most exact existing type.
 */
function loading(dtypes: readonly OnnxDtype[], apart: (dtype: OnnxDtype) => boolean) {
  const choice = dtypes.includes('fp32') && dtypes.includes('q8') ? {} : { dtype: dtypes[0] };
  const withWeights = dtypes.filter(apart).map((dtype) => [path.basename(ONNX_FILES[dtype]), true] as const);
  return { ...choice, ...(withWeights.length > 0 && { use_external_data_format: Object.fromEntries(withWeights) }) };
}

/** Returns true if the model distinguishes segments and its tokenizer sets them. */
function hasSegments({ config, folder }: Checkpoint): boolean {
  if (!architectureOf(config).segments || config.typeVocabSize < 2) return false;
  return loadTokenizer(folder)
    .encode('a', 'a', config.maxPositions)
    .typeIds.some((type) => type > 0);
}
