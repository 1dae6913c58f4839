import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Encoded } from '../data/batches';
import { publishFolderWhen } from '../files/whole-folder';
import type { Checkpoint } from '../model/checkpoint';
import { FAMILIES, type Family } from '../model/families';
import { classifierModel } from '../model/graph';
import { MAX_WEIGHT_BYTES, type WeightsFile, writeWeights } from '../model/onnx';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';
import { loadTokenizer } from '../model/tokenizer';
import { classifierConfig } from './classifier-config';
import { applyDelta, type Delta } from './delta';
import { outputsOf } from './delta-info';
import { logitsOnnx } from './engine';
import type { Logits } from './logits';
import { drawnRows, largestDifference } from './onnx-check';
import { ONNX_FILES, type OnnxModel, PARAMETER_BYTES } from './onnx-folder';
import { writeOnnxTokenizer } from './onnx-tokenizer';

export interface OnnxExport {
  checkpoint: Checkpoint;
  delta: Delta;
  /** Types to write, a file each; at least one. */
  dtypes: readonly OnnxDtype[];
  /** New or empty folder; it appears whole or not at all. */
  out: string;
  /** The trainer's own logits of token rows, which each file's are compared with before the folder appears. */
  reference(rows: readonly Encoded[]): Promise<Logits>;
  /** A file's weights that take more bytes lie in a file of their own; by default what one ONNX file can hold, 2 GB. */
  oneFileBytes?: number;
  signal?: AbortSignal;
}

/**
 * Writes the base with the delta merged in and its task head as an ONNX folder that transformers.js and onnxruntime load
 * (docs/method.md): inputs as the tokenizer gives them, output `logits`, a file for each type. The logits of drawn rows are
 * compared with the trainer's first.
 *
 * @returns its files, as {@link ONNX_DTYPES} has them in order
 * @throws INVALID_INPUT where the delta is not the base's, `out` holds something or a weight is too large for float16; FAILED
 *   where a file does not pass the check
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

/** The file beside a model that holds its weights where they are apart. */
const weightsFileOf = (file: string) => `${path.basename(file)}_data`;

function bytesOf(file: string): number {
  const weights = path.join(path.dirname(file), weightsFileOf(file));
  return fs.statSync(file).size + (fs.statSync(weights, { throwIfNoEntry: false })?.size ?? 0);
}

/**
 * How transformers.js loads the folder. Left to itself it takes q8 in a browser's WebAssembly and fp32 elsewhere: where one of them
 * is missing it is told to take the most exact type that is there.
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

/** Runs an engine's call to its end, whatever it tells on its way. */
export async function resultOf<Result>(events: AsyncGenerator<unknown, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
  }
}
