import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Encoded } from '../data/batches';
import { resultOf } from '../foundation/follow';
import { publishFolderWhen } from '../foundation/whole-folder';
import { logitsOnnx } from '../infra/onnx/onnx-engine';
import type { Checkpoint } from '../model/checkpoint';
import { FAMILIES, type Family } from '../model/families';
import { classifierModel } from '../model/graph';
import { MAX_WEIGHT_BYTES, type WeightsFile, writeWeights } from '../model/onnx';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';
import { loadTokenizer } from '../model/tokenizer';
import { classifierConfig } from './classifier-config';
import { applyDelta, type Delta } from './delta';
import { outputsOf } from './delta-info';
import type { Logits } from './logits';
import { drawnRows, largestDifference } from './onnx-check';
import { ONNX_FILES, type OnnxModel, PARAMETER_BYTES } from './onnx-folder';
import { writeOnnxTokenizer } from './onnx-tokenizer';

export interface OnnxExport {
  checkpoint: Checkpoint;
  delta: Delta;
  /** Number types to write, a file each; at least one. */
  dtypes: readonly OnnxDtype[];
  /** New or empty folder; it appears whole or not at all. */
  out: string;
  /**
   * Computes the trainer's logits of token rows, with which each file is compared before the folder
   * appears.
   */
  reference(rows: readonly Encoded[]): Promise<Logits>;
  /**
   * Largest weights within one ONNX file, in bytes; larger ones are in a file of their own.
   * Default: the format's limit, 2 GB.
   */
  oneFileBytes?: number;
  signal?: AbortSignal;
}

/**
 * Writes the base with the merged delta and its task head as an ONNX folder that transformers.js
 * and onnxruntime load (docs/method.md). The inputs are a tokenizer's outputs, the output is
 * `logits`, and each type has a file. A comparison of logits with the trainer's comes first.
 *
 * @returns its files, in the order of {@link ONNX_DTYPES}
 * @throws INVALID_INPUT if the delta belongs to another base, `out` holds something, or a weight is
 *   too large for float16; FAILED if a file does not pass the check
 */
export async function exportOnnx(request: OnnxExport): Promise<OnnxModel[]> {
  const { checkpoint, delta, out, reference, oneFileBytes = MAX_WEIGHT_BYTES, signal } = request;
  const { config, folder: base } = checkpoint;
  const dtypes = ONNX_DTYPES.filter((dtype) => request.dtypes.includes(dtype));
  const merged = applyDelta(checkpoint, delta);
  const tensor = (canonical: string) => merged.get(canonical)?.() ?? checkpoint.tensor(canonical);
  const segments = hasSegments(checkpoint);
  const apart = (dtype: OnnxDtype) => checkpoint.parameters * PARAMETER_BYTES[dtype] > oneFileBytes;
  const models: OnnxModel[] = [];
  await publishFolderWhen(out, async (folder) => {
    fs.mkdirSync(path.join(folder, 'onnx'));
    for (const dtype of dtypes) {
      const file = path.join(folder, ONNX_FILES[dtype]);
      const end = { outputs: outputsOf(delta.info), segments, type: dtype };
      const build = (weights?: WeightsFile) => classifierModel({ config, tensor }, end, weights);
      const whole = apart(dtype) ? writeWeights(path.dirname(file), build, weightsFileOf(file)) : build();
      fs.writeFileSync(file, whole);
    }
    const described = {
      ...classifierConfig(config, delta.info, 'F32'),
      'transformers.js_config': loading(dtypes, apart),
    };
    fs.writeFileSync(path.join(folder, 'config.json'), `${JSON.stringify(described, null, 2)}\n`);
    writeOnnxTokenizer(base, folder, config, segments);
    const rows = drawnRows(config, segments);
    const options = { batchSize: 8, maxLength: config.maxPositions, device: 'cpu' as const };
    const expected = await reference(rows);
    const found = await resultOf(logitsOnnx({ folder, dtypes, rows, options }, signal));
    for (const [i, dtype] of dtypes.entries()) {
      const file = ONNX_FILES[dtype];
      const bytes = bytesOf(path.join(folder, file));
      models.push({ dtype, file, bytes, largestDifference: largestDifference(dtype, found[i], expected) });
    }
  });
  return models;
}

/** File beside a model that holds its weights if they are separate. */
const weightsFileOf = (file: string) => `${path.basename(file)}_data`;

function bytesOf(file: string): number {
  const weights = path.join(path.dirname(file), weightsFileOf(file));
  return fs.statSync(file).size + (fs.statSync(weights, { throwIfNoEntry: false })?.size ?? 0);
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

/** Whether the model tells segments apart and its tokenizer gives them. */
function hasSegments({ config, folder }: Checkpoint): boolean {
  const family: Family = FAMILIES[config.family];
  if (!family.modules.tokenTypeEmbeddings || config.typeVocabSize < 2) return false;
  return loadTokenizer(folder)
    .encode('a', 'a', config.maxPositions)
    .typeIds.some((type) => type > 0);
}
